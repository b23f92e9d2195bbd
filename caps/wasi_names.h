/* SPDX-License-Identifier: Apache-2.0 */
/* wasi_names.h - what calls that name a file have in common. */
#pragma once

#include "caps/wasi.h"

bool charge_path(struct call *call, uint64_t bytes);
struct key *key_of(struct wasi *wasi, const struct place *place);

/* Where a change is to happen: beneath a directory's key, or it is refused.
 * `makes`: the last name need not be there. False: return *ret_end. */
enum makes { NAME_IS_THERE, NAME_IS_MADE };
bool change_place(struct call *call, struct wasi *wasi, uint32_t fd, enum wasi_right right,
	uint32_t at, uint32_t bytes, enum makes makes, struct place *ret_place,
	enum call_end *ret_end);

enum call_end not_for_writing(struct call *call, struct wasi *wasi, enum rc rc,
	const struct place *place);
/* Sends, or takes what came. False: return *ret_end. */
bool asked(struct call *call, struct wasi *wasi, struct device_request *request,
	const struct place *place, enum call_end *ret_end);

/* What a name is made in is looked at before, what was made after. */
enum make_stage { MAKE_PARENT, MAKE_ASK, MAKE_LOOK };

/* It was made, or its times were set: the domain's own clock says when. */
enum call_end made(struct call *call, struct wasi *wasi, const struct place *place, uint32_t flags,
	uint32_t fstflags, uint64_t access_ns, uint64_t modify_ns);
