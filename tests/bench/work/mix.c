/* SPDX-License-Identifier: Apache-2.0 */
/* A mix as small controllers run it: a linked list searched and sorted, a
 * matrix of short integers, a state machine over text, and a CRC of it all. */
#include "work.h"

enum { ITEMS = 64, SIDE = 16, TEXT = 256 };

struct item {
	struct item *next;
	int16_t value, order;
};

static struct item items[ITEMS];
static int16_t left[SIDE][SIDE], right[SIDE][SIDE];
static int32_t product[SIDE][SIDE];
static uint8_t text[TEXT];

static uint16_t
crc(uint16_t sum, uint32_t value)
{
	for (int bit = 0; bit < 16; bit++, value >>= 1)
		sum = (uint16_t)((sum ^ value) & 1 ? (sum >> 1) ^ 0xa001 : sum >> 1);
	return sum;
}

static struct item *
merged(struct item *a, struct item *b, int by_order)
{
	struct item head = {0}, *tail = &head;

	while (a && b) {
		struct item **less =
			(by_order ? a->order <= b->order : a->value <= b->value) ? &a : &b;

		tail->next = *less;
		tail = *less;
		*less = (*less)->next;
	}
	tail->next = a ? a : b;
	return head.next;
}

static struct item *__attribute__((noinline))
sorted(struct item *list, int by_order)
{
	struct item *bin[8] = {0};

	while (list) {
		struct item *one = list;
		int i;

		list = list->next;
		one->next = 0;
		for (i = 0; i < 7 && bin[i]; i++) {
			one = merged(bin[i], one, by_order);
			bin[i] = 0;
		}
		bin[i] = bin[i] ? merged(bin[i], one, by_order) : one;
	}
	for (int i = 0; i < 8; i++)
		list = bin[i] ? merged(bin[i], list, by_order) : list;
	return list;
}

static uint16_t
lists(uint16_t sum, uint32_t seed)
{
	struct item *list = 0;

	for (int16_t i = ITEMS - 1; i >= 0; i--) {
		items[i] = (struct item){list, (int16_t)((uint32_t)i * 7919u + seed * 31u), i};
		list = &items[i];
	}
	list = sorted(list, 0);
	for (uint32_t n = 0; n < 16; n++) {
		const int16_t wanted = items[(n * 5 + seed) % ITEMS].value;
		uint32_t steps = 0;

		for (struct item *at = list; at && at->value != wanted; at = at->next)
			steps++;
		sum = crc(sum, steps);
	}
	list = sorted(list, 1);
	return crc(sum, (uint16_t)list->next->value);
}

static uint16_t
matrices(uint16_t sum, uint32_t seed)
{
	for (uint32_t i = 0; i < SIDE; i++)
		for (uint32_t j = 0; j < SIDE; j++) {
			left[i][j] = (int16_t)((i * 3 + j + seed) & 0xff);
			right[i][j] = (int16_t)((i + j * 5 + seed) & 0xff);
		}
	for (int i = 0; i < SIDE; i++)
		for (int j = 0; j < SIDE; j++) {
			int32_t cell = 0;

			for (int n = 0; n < SIDE; n++)
				cell += left[i][n] * right[n][j];
			product[i][j] = cell;
		}
	for (int i = 0; i < SIDE; i++)
		sum = crc(sum, (uint32_t)product[i][(i * 7) % SIDE]);
	return sum;
}

enum state { START, INTEGER, FLOAT, EXPONENT, INVALID, STATES };

static enum state
next_state(enum state state, uint8_t c)
{
	const int digit = c >= '0' && c <= '9';

	switch (state) {
	case START:
		return digit || c == '-' ? INTEGER : c == '.' ? FLOAT : INVALID;
	case INTEGER:
		return digit ? INTEGER : c == '.' ? FLOAT : c == 'e' ? EXPONENT : INVALID;
	case FLOAT:
		return digit ? FLOAT : c == 'e' ? EXPONENT : INVALID;
	case EXPONENT:
		return digit || c == '-' ? EXPONENT : INVALID;
	case INVALID:
	case STATES:
		break;
	}
	return INVALID;
}

static uint16_t
states(uint16_t sum, uint32_t seed)
{
	static const char sample[] = "12 -7.5 3e4 x9 0.25e-3 77 a,b -.5 ";
	uint32_t seen[STATES] = {0};
	enum state state = START;

	for (uint32_t i = 0; i < TEXT; i++)
		text[i] = (uint8_t)sample[(i + seed) % (sizeof sample - 1)];
	for (uint32_t i = 0; i < TEXT; i++) {
		if (text[i] == ' ' || text[i] == ',') {
			seen[state]++;
			state = START;
		} else {
			state = next_state(state, text[i]);
		}
	}
	for (int i = 0; i < STATES; i++)
		sum = crc(sum, seen[i]);
	return sum;
}

uint64_t
run(uint32_t count)
{
	uint16_t sum = 0xffff;

	for (uint32_t i = 0; i < count; i++) {
		sum = lists(sum, i);
		sum = matrices(sum, i);
		sum = states(sum, i);
	}
	return sum;
}
