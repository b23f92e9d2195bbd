/* SPDX-License-Identifier: Apache-2.0 */
/* family.c - stop everywhere, whole trees: a plain program over kernel/ and caps/.
 *
 * usage: family FAMILY.wasm                      TAP on stdout
 *        family --write FILE STEP FAMILY.wasm    to that step, an image, then SIGKILL
 *        family --pass FROM TO STEPS | --read FILE | --run FAMILY.wasm
 *
 * Five domains that call each other, with requests in flight, run in slices of
 * one unit, so that every block of every one of them begins a step of the world.
 * After each step the tree is written, and read in another world with the other
 * executor, where it goes on to the same end: gas, final image, output (its
 * lines sorted: the order of the device's answers is an input). At some steps
 * the first world is a process that is killed, and the other a new one. */
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/base/blake2b.h"
#include "kernel/gate.h"
#include "kernel/world_state.h"
#include "tests/support/buffer.h"
#include "tests/support/house.h"

enum { COUNT = 20, LATENCY = 6, LINE = 4, KILLS = 16, AT_DEVICES = CAPS_KIT_SLOTS + 4 };

static const char input[] =
	"What the fifth of them reads comes in pieces of eight bytes, of which each is asked for, "
	"waited for and sent to the second; when none is left it tells the first, and ends as they do.";

extern char **environ;

struct outcome {
	uint64_t word, used, steps;
	uint8_t image[BLAKE2B_BYTES], output[BLAKE2B_BYTES];
};

struct place {
	struct house house;
	uint64_t until; /* poked at this step */
	uint32_t in, out;
};

static bool
at_step(void *user)
{
	const struct place *place = user;

	return place->house.world->steps >= place->until;
}

static struct key
root_key(struct place *place, struct caps_root root)
{
	struct report report;
	struct key key;

	report_clear(&report);
	if (caps_root_add(place->house.world, &root, &report, &key))
		house_fail(root.name, report.text);
	return key;
}

/* A world with the three root keys; `from`: so much of the input was read before. */
static void
place_open(struct place *place, enum executor executor, uint64_t from, struct key ret_keys[3])
{
	struct house *house = &place->house;

	*place = (struct place){.until = UINT64_MAX};
	*house = (struct house){.slice = 1, .poked = at_step, .user = place};
	house_open(house, executor, NULL);
	house->device.latency = LATENCY;
	place->in = fake_stream(&house->device, input + from, (uint32_t)(sizeof input - from));
	fake_stream_close(&house->device, place->in);
	place->out = fake_stream(&house->device, NULL, 0);
	ret_keys[0] = root_key(place, (struct caps_root){.name = "in", .spec = "in",
		.kind = KIND_stream, .rights = RIGHT_read, .handle = place->in});
	ret_keys[1] = root_key(place, (struct caps_root){.name = "out", .spec = "out",
		.kind = KIND_stream, .rights = RIGHT_write, .handle = place->out});
	ret_keys[2] = root_key(place, (struct caps_root){.name = "clock", .spec = "clock",
		.kind = KIND_clock, .rights = RIGHT_read | RIGHT_sleep, .flags = CAPS_REAL});
}

static void
place_start(struct place *place, enum executor executor, const char *path)
{
	struct key keys[3];

	place_open(place, executor, 0, keys);
	house_root(&place->house, path, UINT64_C(1) << 50);
	house_task(&place->house, (struct house_task){.count = COUNT});
	if (domain_slots_room(place->house.root, AT_DEVICES + 3))
		house_fail(path, "no slots");
	for (uint32_t i = 0; i < 3; i++)
		slot_put(place->house.root, AT_DEVICES + i, &keys[i]);
	domain_start(place->house.root);
}

static void
place_close(struct place *place)
{
	world_check(place->house.world);
	house_close(&place->house);
	if (place->house.fake.reserved)
		house_fail("world", "something was not given back");
}

/* To that step, or its end: is it there? */
static bool
go_to(struct place *place, uint64_t step)
{
	place->until = step;
	return world_run(place->house.world, place->house.root, true) == DOMAIN_STOPPED;
}

/* --- images with what is outside of them ----------------------------------------------- */

struct moved {
	struct buffer image, output;
	struct buffer from; /* the image it was read from: its modules lie there */
	uint64_t read; /* of the input */
};

static void
take(struct place *place, struct moved *moved)
{
	const struct fake_handle *in = &place->house.device.handles[place->in];
	uint64_t bytes;
	const uint8_t *at;

	domain_quiesce(place->house.root);
	world_check(place->house.world);
	buffer_done(&moved->from);
	moved->from = moved->image;
	buffer_init(&moved->image);
	if (image_write(place->house.world, place->house.root, &moved->image.sink, false))
		house_fail("family", "the image is not written");
	at = fake_written(&place->house.device, place->out, &bytes);
	buffer_put(&moved->output.sink, at, bytes);
	moved->read += in->position;
}

static void
moved_done(struct moved *moved)
{
	buffer_done(&moved->from);
	buffer_done(&moved->image);
	buffer_done(&moved->output);
}

static void
place_read(struct place *place, enum executor executor, const struct moved *moved)
{
	struct report report;
	struct key keys[3];

	report_clear(&report);
	place_open(place, executor, moved->read, keys);
	if (image_read(place->house.world, moved->image.bytes, moved->image.count, &report,
		    &place->house.root))
		house_fail("image", report.text);
	world_check(place->house.world);
}

static int
by_line(const void *a, const void *b)
{
	return memcmp(a, b, LINE);
}

static struct outcome
finish(struct place *place, struct moved *moved)
{
	struct outcome outcome = {0};

	if (!go_to(place, UINT64_MAX) || place->house.root->stop.reason != STOP_YIELDED)
		house_fail("family", "it did not come to its end");
	outcome.word = place->house.root->stop.word;
	outcome.used = line_used(world_clock(place->house.world), &place->house.root->meter.line);
	outcome.steps = place->house.world->steps;
	take(place, moved);
	blake2b_256(moved->image.bytes, moved->image.count, outcome.image);
	qsort(moved->output.bytes, moved->output.count / LINE, LINE, by_line);
	blake2b_256(moved->output.bytes, moved->output.count, outcome.output);
	return outcome;
}

static bool
is_same(const struct outcome *a, const struct outcome *b)
{
	return a->word == b->word && a->used == b->used &&
		!memcmp(a->image, b->image, sizeof a->image) &&
		!memcmp(a->output, b->output, sizeof a->output);
}

static void
say_outcome(const struct outcome *o)
{
	printf("word %016llx gas %llu image ", (unsigned long long)o->word, (unsigned long long)o->used);
	for (unsigned i = 0; i < 8; i++)
		printf("%02x", o->image[i]);
	printf(" output ");
	for (unsigned i = 0; i < 8; i++)
		printf("%02x", o->output[i]);
	printf("\n");
}

/* --- files -------------------------------------------------------------------------------- */

static void
save(const struct moved *moved, const char *path)
{
	const uint64_t head[3] = {moved->read, moved->output.count, moved->image.count};
	FILE *file = fopen(path, "wb");

	if (!file || fwrite(head, sizeof head, 1, file) != 1 ||
		fwrite(moved->output.bytes, 1, head[1], file) != head[1] ||
		fwrite(moved->image.bytes, 1, head[2], file) != head[2] || fclose(file))
		house_fail(path, "cannot be written");
}

static void
load(struct moved *moved, const char *path)
{
	size_t count;
	uint8_t *bytes = house_file(path, &count);
	uint64_t head[3];

	memcpy(head, bytes, sizeof head);
	if (sizeof head + head[1] + head[2] != count)
		house_fail(path, "is not what was written");
	moved->read = head[0];
	buffer_put(&moved->output.sink, bytes + sizeof head, head[1]);
	buffer_put(&moved->image.sink, bytes + sizeof head + head[1], head[2]);
	free(bytes);
}

static struct moved
nothing_moved(void)
{
	struct moved moved = {.read = 0};

	buffer_init(&moved.from);
	buffer_init(&moved.image);
	buffer_init(&moved.output);
	return moved;
}

/* --- modes ---------------------------------------------------------------------------------- */

static int
write_and_die(const char *path, uint64_t step, const char *guest)
{
	struct moved moved = nothing_moved();
	struct place place;

	place_start(&place, EXECUTOR_FAST, guest);
	(void)go_to(&place, step);
	take(&place, &moved);
	save(&moved, path);
	return raise(SIGKILL);
}

static int
pass(const char *from, const char *to, uint64_t steps)
{
	struct moved moved = nothing_moved();
	struct place place;

	load(&moved, from);
	place_read(&place, EXECUTOR_FAST, &moved);
	(void)go_to(&place, steps);
	take(&place, &moved);
	save(&moved, to);
	place_close(&place);
	moved_done(&moved);
	return 0;
}

static int
read_on(const char *path)
{
	struct moved moved = nothing_moved();
	struct outcome outcome;
	struct place place;

	load(&moved, path);
	place_read(&place, EXECUTOR_SWITCH, &moved);
	outcome = finish(&place, &moved);
	say_outcome(&outcome);
	place_close(&place);
	moved_done(&moved);
	return 0;
}

static struct outcome
straight(const char *guest)
{
	struct moved moved = nothing_moved();
	struct outcome outcome;
	struct place place;

	place_start(&place, EXECUTOR_FAST, guest);
	outcome = finish(&place, &moved);
	place_close(&place);
	moved_done(&moved);
	return outcome;
}

static int
run_on(const char *guest)
{
	const struct outcome outcome = straight(guest);

	say_outcome(&outcome);
	return 0;
}

/* --- everywhere ---------------------------------------------------------------------------------- */

static uint64_t
stop_everywhere(const char *guest, const struct outcome *expected, uint64_t *ret_different)
{
	uint64_t step, in_flight = 0;

	for (step = 1; step < expected->steps; step++) {
		struct moved moved = nothing_moved();
		struct outcome outcome;
		struct place first, second; /* anew: requests that are taken back at each step never end */

		place_start(&first, step % 2 ? EXECUTOR_FAST : EXECUTOR_SWITCH, guest);
		(void)go_to(&first, step);
		in_flight += first.house.device.in_flight > 0;
		take(&first, &moved);
		place_read(&second, step % 2 ? EXECUTOR_SWITCH : EXECUTOR_FAST, &moved);
		outcome = finish(&second, &moved);
		if (!is_same(&outcome, expected) && !(*ret_different)++) {
			printf("# step %llu: ", (unsigned long long)step);
			say_outcome(&outcome);
		}
		place_close(&second);
		place_close(&first);
		moved_done(&moved);
	}
	printf("# %llu stops, %llu with requests in flight\n", (unsigned long long)step - 1,
		(unsigned long long)in_flight);
	return in_flight;
}

/* A new process of this program; its standard output goes to `out`. */
static int
spawn(char *const argv[], const char *out)
{
	posix_spawn_file_actions_t actions;
	int status;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 1, out, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (posix_spawn(&pid, argv[0], &actions, NULL, argv, environ) || waitpid(pid, &status, 0) != pid)
		house_fail(argv[0], "cannot be started");
	posix_spawn_file_actions_destroy(&actions);
	return status;
}

/* One process writes and is killed; a new one goes on. */
static bool
killed(const char *self, const char *guest, uint64_t step, const char *folder,
	const struct outcome *expected)
{
	char me[512], image[512], text[512], number[24], said[256] = "", want[256] = "";
	char write_mode[] = "--write", read_mode[] = "--read", program[512];
	char *const writer[] = {me, write_mode, image, number, program, NULL};
	char *const reader[] = {me, read_mode, image, NULL};
	FILE *file;
	int status;

	(void)snprintf(me, sizeof me, "%s", self);
	(void)snprintf(program, sizeof program, "%s", guest);
	(void)snprintf(image, sizeof image, "%s/image", folder);
	(void)snprintf(text, sizeof text, "%s/text", folder);
	(void)snprintf(number, sizeof number, "%llu", (unsigned long long)step);
	status = spawn(writer, text);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL || spawn(reader, text))
		return false;
	file = fopen(text, "r");
	if (!file || !fgets(said, sizeof said, file))
		return false;
	(void)fclose(file);
	(void)unlink(image);
	(void)unlink(text);
	(void)snprintf(want, sizeof want, "word %016llx gas %llu image %02x%02x",
		(unsigned long long)expected->word, (unsigned long long)expected->used,
		expected->image[0], expected->image[1]);
	return !strncmp(said, want, strlen(want));
}

static int
everything(const char *self, const char *guest)
{
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	const struct outcome expected = straight(guest), again = straight(guest);
	char folder[] = "/tmp/keyhold-family.XXXXXX";
	uint64_t different = 0, in_flight;
	bool well = true;

	printf("1..3\n# ");
	say_outcome(&expected);
	printf("# %llu steps\n", (unsigned long long)expected.steps);
	printf("%sok 1 - the same twice\n", is_same(&expected, &again) ? "" : "not ");
	in_flight = stop_everywhere(guest, &expected, &different);
	printf("%sok 2 - stopped at every safepoint, elsewhere the same end (%llu not)\n",
		different || !in_flight ? "not " : "", (unsigned long long)different);
	well = !different && in_flight && is_same(&expected, &again);
	if (!mkdtemp(folder))
		house_fail(folder, "cannot be made");
	different = 0;
	for (uint64_t i = 1; i <= KILLS; i++)
		different += !killed(self, guest, expected.steps * i / (KILLS + 1), folder, &expected);
	(void)rmdir(folder);
	printf("%sok 3 - killed and restored in a new process (%llu not)\n", different ? "not " : "",
		(unsigned long long)different);
	return !well || different;
}

int
main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "--write"))
		return write_and_die(argv[2], strtoull(argv[3], NULL, 0), argv[4]);
	if (argc == 5 && !strcmp(argv[1], "--pass"))
		return pass(argv[2], argv[3], strtoull(argv[4], NULL, 0));
	if (argc == 3 && !strcmp(argv[1], "--read"))
		return read_on(argv[2]);
	if (argc == 3 && !strcmp(argv[1], "--run"))
		return run_on(argv[2]);
	if (argc != 2)
		house_fail("usage", "family FAMILY.wasm");
	return everything(argv[0], argv[1]);
}
