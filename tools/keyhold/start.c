/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/keyhold/start.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/keyhold/carry.h"

static const char *const when_texts[WHEN_COUNT] = {"gas", "storage", "trap", "signal", "until"};

const char *
start_when_text(enum start_when when)
{
	return when_texts[when];
}

/* An array's length; each element takes at least `least` bytes, so a wrong one
 * is found before anything is allocated for it. */
static uint32_t
get_count(struct bytes_in *in, uint32_t least)
{
	const uint32_t count = bytes_u32(in);

	if (count > bytes_left(in) / least)
		in->bad = true;
	return in->bad ? 0 : count;
}

static void
put_plan(struct sink *sink, const struct walls_plan *plan)
{
	sink_u32(sink, plan->tier);
	sink_u32(sink, plan->tier_least);
	for (unsigned i = 0; i < WALLS_KEEP_MAX; i++)
		sink_u32(sink, (uint32_t)plan->keep[i]);
	sink_u32(sink, plan->keep_count);
	sink_u8(sink, plan->keep_stderr);
	sink_u8(sink, plan->root);
	sink_u8(sink, plan->memory_free);
	sink_u64(sink, plan->later_bytes);
	sink_u64(sink, plan->fsize_bytes);
	sink_u32(sink, plan->uid);
	sink_u32(sink, plan->gid);
	sink_u32(sink, (uint32_t)plan->broker);
	sink_u32(sink, (uint32_t)plan->broker_fd);
	for (unsigned i = 0; i < WALLS_NAMESPACES; i++)
		sink_u64(sink, plan->namespaces[i]);
}

static void
get_plan(struct bytes_in *in, struct walls_plan *plan)
{
	plan->tier = bytes_u32(in);
	plan->tier_least = bytes_u32(in);
	for (unsigned i = 0; i < WALLS_KEEP_MAX; i++)
		plan->keep[i] = (int32_t)bytes_u32(in);
	plan->keep_count = bytes_u32(in);
	plan->keep_stderr = bytes_u8(in);
	plan->root = bytes_u8(in);
	plan->memory_free = bytes_u8(in);
	plan->later_bytes = bytes_u64(in);
	plan->fsize_bytes = bytes_u64(in);
	plan->uid = bytes_u32(in);
	plan->gid = bytes_u32(in);
	plan->broker = (int32_t)bytes_u32(in);
	plan->broker_fd = (int32_t)bytes_u32(in);
	for (unsigned i = 0; i < WALLS_NAMESPACES; i++)
		plan->namespaces[i] = bytes_u64(in);
}

static void
put_root(struct sink *sink, const struct start_root *root)
{
	carry_text(sink, root->root.name);
	carry_text(sink, root->root.spec);
	sink_u32(sink, root->root.kind);
	sink_u32(sink, root->root.rights);
	sink_u32(sink, root->root.flags);
	sink_u32(sink, root->root.handle);
	sink_u32(sink, root->root.number);
	sink_u64(sink, root->root.seed);
	sink_u32(sink, root->role);
	carry_text(sink, root->path);
	sink_u64(sink, root->limits.uses);
	sink_u64(sink, root->limits.bytes);
	sink_u64(sink, root->limits.gas);
	sink_u64(sink, root->limits.rate);
}

static void
get_root(struct bytes_in *in, struct start_root *root)
{
	root->root.name = carry_text_read(in);
	root->root.spec = carry_text_read(in);
	root->root.kind = bytes_u32(in);
	root->root.rights = bytes_u32(in);
	root->root.flags = bytes_u32(in);
	root->root.handle = bytes_u32(in);
	root->root.number = bytes_u32(in);
	root->root.seed = bytes_u64(in);
	root->role = bytes_u32(in);
	root->path = carry_text_read(in);
	root->limits.uses = bytes_u64(in);
	root->limits.bytes = bytes_u64(in);
	root->limits.gas = bytes_u64(in);
	root->limits.rate = bytes_u64(in);
	root->root.limits = &root->limits;
	if (root->role >= ROLE_COUNT)
		in->bad = true;
}

static void
put_texts(struct sink *sink, const char *const *texts, uint32_t count)
{
	sink_u32(sink, count);
	for (uint32_t i = 0; i < count; i++)
		carry_text(sink, texts[i]);
}

/* Behind the walls arrays come from the kernel's heap; NULL: the C library's. */
static void *
array(struct heap *heap, uint32_t count, size_t bytes)
{
	return heap ? heap_take(heap, ((uint64_t)count + 1) * bytes) : calloc((size_t)count + 1, bytes);
}

static const char **
get_texts(struct bytes_in *in, struct heap *heap, uint32_t *ret_count)
{
	const uint32_t count = get_count(in, 4);
	const char **texts = array(heap, count, sizeof(*texts));

	for (uint32_t i = 0; texts && i < count; i++)
		texts[i] = carry_text_read(in);
	*ret_count = texts ? count : 0;
	return texts;
}

void
start_put_run(const struct start *start, struct sink *sink)
{
	sink_u32(sink, start->flags);
	sink_u64(sink, start->gas);
	sink_u64(sink, start->mem_bytes);
	sink_u64(sink, start->stop_after);
	carry_text(sink, start->program);
	carry_text(sink, start->file);
	carry_text(sink, start->invoke);
	put_texts(sink, start->args, start->args_count);
	put_texts(sink, start->env, start->env_count);
	sink_u32(sink, start->roots_count);
	for (uint32_t i = 0; i < start->roots_count; i++)
		put_root(sink, &start->roots[i]);
}

int
start_get_run(struct bytes_in *in, struct heap *heap, struct start *start)
{
	start->flags = bytes_u32(in);
	start->gas = bytes_u64(in);
	start->mem_bytes = bytes_u64(in);
	start->stop_after = bytes_u64(in);
	start->program = carry_text_read(in);
	start->file = carry_text_read(in);
	start->invoke = carry_text_read(in);
	start->args = get_texts(in, heap, &start->args_count);
	start->env = get_texts(in, heap, &start->env_count);
	start->roots_count = get_count(in, 76);
	start->roots = array(heap, start->roots_count, sizeof(*start->roots));
	for (uint32_t i = 0; start->roots && i < start->roots_count; i++)
		get_root(in, &start->roots[i]);
	if (!start->args || !start->env || !start->roots)
		return -ENOMEM;
	return in->bad ? -EINVAL : 0;
}

void
start_write(const struct start *start, struct sink *sink)
{
	start_put_run(start, sink);
	for (unsigned i = 0; i < WHEN_COUNT; i++)
		sink_u32(sink, start->images[i]);
	sink_u32(sink, start->record_to);
	sink_u32(sink, start->shows[0]);
	sink_u32(sink, start->shows[1]);
	sink_u32(sink, start->until);
	sink_u64(sink, start->until_count);
	carry_text(sink, start->until_name);
	carry_text(sink, start->only);
	put_plan(sink, &start->plan);
}

int
start_read(const uint8_t *words, size_t bytes, struct start *ret_start)
{
	struct bytes_in in = bytes_in(words, bytes);
	struct start start = {0};
	int r = start_get_run(&in, NULL, &start);

	for (unsigned i = 0; i < WHEN_COUNT; i++)
		start.images[i] = bytes_u32(&in);
	start.record_to = bytes_u32(&in);
	start.shows[0] = bytes_u32(&in);
	start.shows[1] = bytes_u32(&in);
	start.until = bytes_u32(&in);
	start.until_count = bytes_u64(&in);
	start.until_name = carry_text_read(&in);
	start.only = carry_text_read(&in);
	get_plan(&in, &start.plan);
	if (!r && (in.bad || bytes_left(&in) || start.until >= UNTIL_COUNT))
		r = -EINVAL;
	if (r) {
		start_done(&start);
		return r;
	}
	*ret_start = start;
	return 0;
}

void
start_done(struct start *start)
{
	free(start->args);
	free(start->env);
	free(start->roots);
	start->args = start->env = NULL;
	start->roots = NULL;
}
