/* SPDX-License-Identifier: Apache-2.0 */
/* fake_device.h - struct device in memory: files, streams, faults, latency.
 *
 * An operation is carried out when its completion is reaped, not when it is
 * submitted, so a cancelled one did nothing. Completions come in order of
 * submission, or shuffled by the seed; each not before `latency` reaps. Time
 * stands still but when everything waits: then it jumps to the next deadline.
 *
 * Use      fake_device_init(&fake, seed);
 *          dir = fake_dir(&fake, 0, NULL); fake_file(&fake, dir, "a", "text", 4);
 *          handle = fake_grant(&fake, dir, DEVICE_DIRECTORY);
 *          in = fake_stream(&fake, "input", 5); fake_stream_close(&fake, in);
 *          out = fake_stream(&fake, NULL, 0); ... fake_written(&fake, out, &bytes). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "kernel/device.h"
#include "tests/support/fake_files.h"
#include "tests/support/seeds.h"

enum { FAKE_HANDLES_MAX = 17000, FAKE_FLIGHT_MAX = 256 };

enum fake_net_kind { FAKE_NO_NET, FAKE_RULE, FAKE_LISTENER, FAKE_RESOLVER, FAKE_CONNECTION };

struct fake_handle {
	bool open, stream;
	bool closed_in;    /* a stream at its end: reads give 0 */
	bool broken;       /* a stream nobody reads: writes give DEVICE_EPIPE */
	bool revoked;      /* a broker cut: everything gives DEVICE_EREVOKED */
	uint32_t node;     /* file or directory; a stream's input */
	uint32_t node_out; /* a stream's output */
	uint32_t flags;    /* DEVICE_FOR_READ, ... */
	uint64_t position;
	enum fake_net_kind net; /* fake_net.h */
	char text[DEVICE_ADDRESS_BYTES]; /* what it allows; where it listens; the peer */
	uint32_t callers;       /* of a listener: not yet accepted */
};

struct fake_flight {
	struct device_request request; /* with copies of data and paths */
	bool taken, canceled, reaped;
	uint64_t order, ready_at; /* in reaps */
	uint64_t deadline_ns;
	uint8_t *reply;
};

struct fake_fault {
	enum device_op op;
	uint64_t nth; /* 1: the next one */
	enum device_error error;
};

struct fake_device {
	struct device device; /* first: what the kernel sees */
	struct fake_files files;
	struct fake_handle *handles; /* FAKE_HANDLES_MAX */
	struct fake_flight flight[FAKE_FLIGHT_MAX];
	struct seed seed;
	uint64_t now_ns;          /* monotonic; real is 1,600,000,000 s more */
	uint64_t reaps, order;
	uint64_t latency;         /* reaps before a completion may come */
	bool shuffle;             /* completions in an order of the seed */
	bool poked;               /* the next reap that would wait returns false */
	uint32_t connected;       /* the last connection made or accepted */
	uint32_t pieces_max;      /* requests in flight; past it DEVICE_EAGAIN */
	uint32_t short_max;       /* reads and writes move at most so much; 0: all */
	struct fake_fault faults[16];
	uint64_t ops[DEVICE_OP_COUNT]; /* how many were carried out */
	uint32_t in_flight, undone;    /* undone: reaped, device->done() not called */
};

void fake_device_init(struct fake_device *fake, uint64_t seed);
void fake_device_done(struct fake_device *fake);

uint32_t fake_dir(struct fake_device *fake, uint32_t parent, const char *name); /* 0: a top */
uint32_t fake_file(struct fake_device *fake, uint32_t parent, const char *name, const void *data,
	uint32_t bytes);
uint32_t fake_symlink(struct fake_device *fake, uint32_t parent, const char *name,
	const char *target);
/* A handle on a node: what the broker would have opened. */
uint32_t fake_grant(struct fake_device *fake, uint32_t node, uint32_t flags);

/* A stream with this input; reads wait when it is used up, until it is fed or closed. */
uint32_t fake_stream(struct fake_device *fake, const void *input, uint32_t bytes);
void fake_stream_feed(struct fake_device *fake, uint32_t handle, const void *data, uint32_t bytes);
void fake_stream_close(struct fake_device *fake, uint32_t handle);
const uint8_t *fake_written(struct fake_device *fake, uint32_t handle, uint64_t *ret_bytes);

/* The nth operation of this kind from now ends with this error. */
void fake_fail(struct fake_device *fake, enum device_op op, uint64_t nth, enum device_error error);
