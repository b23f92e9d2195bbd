/* SPDX-License-Identifier: Apache-2.0 */
/* wasi_path.c - calls that look at a file by its name. */
#include "caps/wasi_names.h"

enum call_end
wasi_path_readlink(struct call *call, struct wasi *wasi)
{
	const uint32_t bytes = arg(call, 4);
	uint8_t *to = call_mem(call, arg(call, 3), bytes), *result = call_mem(call, arg(call, 5), 4);
	struct device_request request;
	struct place place;
	enum call_end end;
	uint64_t got;
	enum rc rc;

	if (!charge_path(call, (uint64_t)arg(call, 2) + min_u64(bytes, WASI_PATH_MAX)))
		return CALL_DRY;
	if (!place_find(call, wasi, arg(call, 0), RIGHT_BIT(R_PATH_READLINK), arg(call, 1),
		    arg(call, 2), &place, &end))
		return end;
	if (!to || !result)
		return answer(call, WASI_EFAULT);
	if (place.kind == PLACE_MISSING)
		return place_missing(call, wasi, &place);
	if (place.kind != PLACE_BENEATH)
		return answer(call, WASI_EINVAL); /* no link */
	rc = directory_readlink(wasi->state, key_of(wasi, &place), place.path, WASI_PATH_MAX, &request);
	if (rc)
		return refuse(call, wasi, rc, key_of(wasi, &place), place.path,
			"the key is not for reading");
	if (!asked(call, wasi, &request, &place, &end))
		return end;
	got = min_u64(bytes, call->completion->data_bytes);
	if (got)
		memcpy(to, call->completion->data, (size_t)got);
	store_word(result, got, 4);
	return answer(call, WASI_ESUCCESS);
}

/* A name of the synthetic root is looked at. */
static enum call_end
stat_key(struct call *call, struct wasi *wasi, const struct place *place, uint8_t *to)
{
	const struct key *key = key_of(wasi, place);
	struct device_request request;
	enum call_end end;
	enum rc rc;

	if (key->kind != KIND_file) {
		const bool socket = key->kind == KIND_socket || key->kind == KIND_listener;
		const struct device_stat stat = {.links = 1,
			.type = socket ? DEVICE_TYPE_SOCKET
				: stream_is_tty(wasi->state, key) ? DEVICE_TYPE_CHARACTER
								  : DEVICE_TYPE_UNKNOWN};

		return stat_answer(call, wasi, key, &stat, to);
	}
	rc = file_stat(wasi->state, key, &request);
	if (rc)
		return refuse(call, wasi, rc, key, place->path, "the name has no key");
	if (!asked(call, wasi, &request, place, &end))
		return end;
	return stat_answer(call, wasi, key, &call->completion->stat, to);
}

enum call_end
wasi_path_filestat_get(struct call *call, struct wasi *wasi)
{
	const uint32_t flags = arg(call, 1) & LOOKUP_FOLLOW ? DEVICE_FOLLOW : 0;
	uint8_t *to = call_mem(call, arg(call, 4), FILESTAT_BYTES);
	struct device_request request;
	struct place place;
	enum call_end end;
	enum rc rc;

	if (!charge_path(call, arg(call, 3)))
		return CALL_DRY;
	if (!place_find(call, wasi, arg(call, 0), RIGHT_BIT(R_PATH_FILESTAT_GET), arg(call, 2),
		    arg(call, 3), &place, &end))
		return end;
	if (arg(call, 1) & ~(uint32_t)LOOKUP_FOLLOW)
		return answer(call, WASI_EINVAL);
	if (!to)
		return answer(call, WASI_EFAULT);
	if (place.kind == PLACE_MISSING)
		return place_missing(call, wasi, &place);
	if (place.kind == PLACE_KEY)
		return stat_key(call, wasi, &place, to);
	if (place.kind == PLACE_SYNTHETIC) {
		stat_put_synthetic(place.path, to);
		return answer(call, WASI_ESUCCESS);
	}
	rc = directory_stat_at(wasi->state, key_of(wasi, &place), place.path, flags, &request);
	if (rc)
		return refuse(call, wasi, rc, key_of(wasi, &place), place.path,
			"the key is not for reading");
	if (!asked(call, wasi, &request, &place, &end))
		return end;
	return stat_answer(call, wasi, key_of(wasi, &place), &call->completion->stat, to);
}

enum call_end
wasi_path_filestat_set_times(struct call *call, struct wasi *wasi)
{
	const uint32_t follow = arg(call, 1) & LOOKUP_FOLLOW ? DEVICE_FOLLOW : 0;
	const uint64_t access_ns = arg64(call, 4), modify_ns = arg64(call, 5);
	struct device_request request;
	struct place place;
	enum call_end end;
	uint32_t flags;
	enum rc rc;

	if (!charge_path(call, arg(call, 3)))
		return CALL_DRY;
	if (!change_place(call, wasi, arg(call, 0), R_PATH_FILESTAT_SET_TIMES, arg(call, 2),
		    arg(call, 3), NAME_IS_THERE, &place, &end))
		return end;
	if (arg(call, 1) & ~(uint32_t)LOOKUP_FOLLOW || !times_flags(arg(call, 6), &flags))
		return answer(call, WASI_EINVAL);
	rc = directory_times(wasi->state, key_of(wasi, &place), place.path, flags | follow, access_ns,
		modify_ns, &request);
	if (rc)
		return not_for_writing(call, wasi, rc, &place);
	if (wasi->stage != MAKE_LOOK) {
		if (!asked(call, wasi, &request, &place, &end))
			return end;
		call_consume(call);
		wasi->stage = MAKE_LOOK;
	}
	return made(call, wasi, &place, follow, arg(call, 6), access_ns, modify_ns);
}
