/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/keyhold/carry.h"

#include <errno.h>
#include <string.h>

void
carry_text(struct sink *sink, const char *text)
{
	sink_text(sink, text, text ? (uint32_t)strlen(text) + 1 : 0);
}

const char *
carry_text_read(struct bytes_in *in)
{
	uint32_t bytes;
	const uint8_t *text = bytes_text(in, &bytes);

	if (!text || !bytes)
		return NULL;
	if (memchr(text, 0, bytes) != text + bytes - 1) {
		in->bad = true;
		return NULL;
	}
	return (const char *)text;
}

static int
memory_put(struct sink *sink, const void *data, size_t bytes)
{
	struct carry_memory *to = (struct carry_memory *)(void *)sink;

	return to->out && fwrite(data, 1, bytes, to->out) == bytes ? 0 : -ENOMEM;
}

void
carry_memory_begin(struct carry_memory *to)
{
	*to = (struct carry_memory){.sink = {.put = memory_put}};
	to->out = open_memstream(&to->bytes, &to->count);
}

int
carry_memory_end(struct carry_memory *to)
{
	return !to->out || fclose(to->out) || to->sink.failed ? -ENOMEM : 0;
}

static int
fixed_put(struct sink *sink, const void *data, size_t bytes)
{
	struct carry_fixed *to = (struct carry_fixed *)(void *)sink;

	if (bytes > (size_t)(to->end - to->at))
		return -E2BIG;
	memcpy(to->at, data, bytes);
	to->at += bytes;
	return 0;
}

struct carry_fixed
carry_fixed(uint8_t *at, size_t bytes)
{
	return (struct carry_fixed){{.put = fixed_put}, at, at + bytes};
}
