/* SPDX-License-Identifier: Apache-2.0 */
/* broker.h - the process that holds the outside, as tools/ use it.
 *
 * Owns     the table of handles, the root grants, the worker's ring (a second
 *          descriptor of it), the shared memory, the worker.
 * Does     opens, lists, renames, stats beneath granted directories; fills and
 *          empties slots of the worker's ring; says how the worker ended.
 * Callers  tools/ only. One thread.
 * Never    runs a guest, prints, exits, or believes the worker.
 *
 * The order of calls:
 *
 *   broker_new()            ring made and fenced, shared memory laid out
 *   broker_grant_*()        root grants; take the descriptor
 *   broker_pass()           descriptors the worker reads before its walls (modules)
 *   broker_words()          the tools' own words to their worker
 *   broker_spawn()          the worker begins as main() of the same program; see
 *                           drivers/client.h for what it does there
 *   broker_watch()          what else the loop waits for (signalfd, control)
 *   broker_serve()          until the worker ended; broker_poke(), broker_order(),
 *                           broker_grant_*(), broker_revoke(), broker_kill() from
 *                           watchers meanwhile
 *   broker_free()
 *
 * Errors   0 or -errno, words in the report. Nothing here ends the broker: a
 *          worker that breaks the protocol is ended, and the outcome says so.
 * Source   design.md section 8, containment.md sections 3 and 6. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "kernel/base/report.h"
#include "kernel/device.h"

struct broker;

struct broker_config {
	uint32_t handles_max;  /* 0: 32768; bounded by RLIMIT_NOFILE */
	uint64_t store_bytes;  /* size of the page store; 0: none */
	bool ringless;         /* no io_uring: the broker itself reads and writes; slower */
};

/* -ENOSYS or -EPERM: no io_uring here; the report says what to do; `ringless`
 * does without. */
int broker_new(const struct broker_config *config, struct report *report,
	struct broker **ret_broker);
/* Ends the worker if it still lives. NULL is fine. */
void broker_free(struct broker *broker);

/* --- root grants ------------------------------------------------------------ */

/* Also while the worker runs: it then learns of the handle by itself, before any
 * order that names it. -EAGAIN: it takes no replies. A grant that was cut makes
 * room for another, under another id. */

enum broker_right {
	BROKER_READ = 1 << 0,
	BROKER_WRITE = 1 << 1,  /* and all that changes the directory */
	BROKER_APPEND = 1 << 2, /* files: writes only at the end, no truncation */
};

struct broker_grant {
	uint32_t id;     /* also the device number that guests see */
	uint32_t handle; /* what DEVICE_* requests name it by */
	uint32_t rights; /* enum broker_right, as given */
	enum device_file_type type;
};

/* A directory; everything beneath it on the same file system. Takes fd, which
 * may be O_PATH; also when it fails. -ENOTDIR, -EMFILE. */
int broker_grant_dir(struct broker *broker, int fd, uint32_t rights, struct report *report,
	struct broker_grant *ret_grant);
/* One regular file. Takes fd; its own open mode must allow the rights. What it
 * allows besides is taken away: it is opened again with less. */
int broker_grant_file(struct broker *broker, int fd, uint32_t rights, struct report *report,
	struct broker_grant *ret_grant);
/* A stream the user gave himself: pipe, terminal, /dev/null, socket, file.
 * Takes fd (pass a duplicate of 0, 1, 2). A terminal or file is narrowed as
 * above; a socket cannot be, so a fallen worker may use both its directions. */
int broker_grant_stream(struct broker *broker, int fd, uint32_t rights, struct report *report,
	struct broker_grant *ret_grant);

enum broker_net { BROKER_TCP, BROKER_UDP, BROKER_LISTEN, BROKER_UNIX, BROKER_RESOLVE };

struct broker_address {
	enum broker_net kind;
	const char *pattern;  /* rule.h: "api.example.com:443", "10.0.0.0/8:*", "/run/x.sock" */
	uint32_t conns_max;   /* connections at once; 0: no limit */
	bool allow_private;   /* what is not public may be reached without being named */
};
/* An address rule or a resolver, or a listener, which is bound at once. At any
 * time, also while the worker runs. ret_address: a listener's own, with its port;
 * may be NULL. -EINVAL: the pattern; -EMFILE; what bind() says. Words in the report. */
int broker_grant_address(struct broker *broker, const struct broker_address *address,
	struct report *report, struct broker_grant *ret_grant);
int broker_grant_listener(struct broker *broker, const struct broker_address *address,
	struct report *report, struct broker_grant *ret_grant,
	char ret_address[DEVICE_ADDRESS_BYTES]);
/* A listening socket as the address says: for whoever asks to listen himself, and
 * passes it on. Words in the report. */
int broker_listen(const char *pattern, struct report *report, int *ret_fd);
/* A listener by a descriptor that somebody else made: it is looked at whether it
 * listens, and where. Takes fd, also when it fails. -EINVAL: it is no such thing. */
int broker_grant_listening(struct broker *broker, int fd, const struct broker_address *address,
	struct report *report, struct broker_grant *ret_grant);
/* All that networks need of this machine is had now: keys to them may be granted
 * when the broker's own walls are up. After the other grants, and after
 * broker_name_servers(). 0, or -errno with words. */
int broker_networks(struct broker *broker, struct report *report);
/* The ring that keeps connections (keep.c), which the walls let it enter; 0: none. */
int broker_keep_fd(const struct broker *broker);
/* "NAME=ADDRESS": the name has this address, and no name server is asked. More
 * than once: it has them all. -EINVAL, -ENOSPC. */
int broker_pin(struct broker *broker, const char *text, struct report *report);
/* For tests: "127.0.0.1:5353", instead of what the machine says. */
int broker_name_servers(struct broker *broker, const char *text, struct report *report);

/* The grant is cut at this CLOCK_MONOTONIC time; hooks.expired is told. -ENOENT. */
int broker_expire(struct broker *broker, uint32_t grant_id, uint64_t deadline_ns);

/* Broker cut: empties every handle opened under the grant, in the order that
 * leaks nothing (revoke.c). 0: nothing derived delivers another byte.
 * -ETIME: a request could not be stopped, so the worker was ended. -ENOENT. */
int broker_revoke(struct broker *broker, uint32_t grant_id);

/* For the broker's own walls: the descriptor of the index-th grant, borrowed, when
 * it is a directory, and its rights; -ENOTDIR: it is none. -ENOENT: no such grant. */
int broker_root(const struct broker *broker, uint32_t index, uint32_t *ret_rights);
/* Is an address, a listener or a name granted? */
bool broker_has_networks(const struct broker *broker);

struct broker_counts {
	uint64_t opens, denied, missing; /* ENOENT is missing; outside or read-only is denied */
	uint32_t handles;                /* open now, the root's own included */
	uint32_t conns, conns_most;      /* connections: now, being made included; and at most */
	uint64_t conns_made;             /* made and accepted in all */
	uint64_t conns_refused;          /* not begun: the key does not allow it, or conns= */
};
/* Is it `missing` there, not `denied`? */
bool broker_is_missing(enum device_error error);
bool broker_counts(const struct broker *broker, uint32_t grant_id, struct broker_counts *ret_counts);

/* --- the worker --------------------------------------------------------------- */

/* Passes a descriptor on: the worker finds it by the returned index,
 * client_passed(). Takes fd. */
int broker_pass(struct broker *broker, int fd);
/* Copied; client_words() in the worker. At most once, at most 64 MiB. */
int broker_words(struct broker *broker, const void *words, size_t bytes);

struct broker_spawn {
	const char *const *argv;  /* of the worker; NULL-terminated */
	uint64_t clone_flags;     /* CLONE_NEW* that the walls want at birth */
	/* Runs in the child before exec: uid maps and the like; raw system calls
	 * only. 0 or -errno. May be NULL. */
	int (*before_exec)(void *arg);
	void *arg;
	bool keep_stderr;         /* else 2 is /dev/null, as 0 and 1 are */
};

/* Makes the worker: clone, then /proc/self/exe again with the descriptors of
 * wire.h and an empty environment. After a failure it may be called again, with
 * fewer namespaces. */
int broker_spawn(struct broker *broker, const struct broker_spawn *spawn, struct report *report);

enum broker_log_level { BROKER_LOG_NOTE, BROKER_LOG_WARNING, BROKER_LOG_ERROR, BROKER_LOG_GUEST };

/* All may be NULL. Text is not terminated and may hold any byte. */
struct broker_hooks {
	void *user;
	void (*ready)(void *user);
	void (*log)(void *user, enum broker_log_level level, const char *text, size_t bytes);
	/* The worker's answer to broker_order(): any bytes. */
	void (*obeyed)(void *user, const uint8_t *bytes, size_t count);
	/* The broker refused or did not find: for `why`. error is a device_error; `why` are
	 * words, or NULL where the error says it all. */
	void (*refused)(void *user, uint32_t grant_id, enum device_op op, const char *path,
		size_t path_bytes, enum device_error error, const char *why);
	void (*expired)(void *user, uint32_t grant_id); /* broker_expire(): it has been cut */
};

/* Calls fn when fd is readable, from broker_serve(). Up to 8. Borrows fd. */
int broker_watch(struct broker *broker, int fd, void (*fn)(void *arg), void *arg);
void broker_unwatch(struct broker *broker, int fd);

/* Pokes the worker: its device's reap() returns false and client_poked() tells
 * these bits. Bits mean what tools say. -EAGAIN: it takes no replies. */
int broker_poke(struct broker *broker, uint32_t bits);
/* One order of the tools' own, which client_order() gives in the worker; its
 * answer comes to the hook `obeyed`. -EBUSY: the last one is not answered; -E2BIG:
 * over WIRE_ORDER_BYTES; -EAGAIN: it takes no replies; -ESRCH: no worker. */
int broker_order(struct broker *broker, const void *bytes, size_t count);
bool broker_order_is_out(const struct broker *broker);
void broker_kill(struct broker *broker); /* SIGKILL; serve then tells the end */
/* The worker is ended (BROKER_STUCK) when it uses so much processor time without
 * coming to the end of a slice or to a request; 0: never, as at first. */
void broker_watchdog(struct broker *broker, uint64_t processor_ns);
/* The loop ends with BROKER_TIMED_OUT at this CLOCK_MONOTONIC time; 0: never. */
void broker_deadline(struct broker *broker, uint64_t monotonic_ns);

enum broker_end {
	BROKER_EXITED,    /* code */
	BROKER_KILLED,    /* signal; SIGSYS: it broke a wall */
	BROKER_PROTOCOL,  /* it broke the protocol and was ended; words in `why` */
	BROKER_DEAF,      /* it was ended because the broker's own limit of files was lowered */
	BROKER_STUCK,     /* it was ended because it spun: broker_watchdog() */
	BROKER_CUT,       /* it was ended because a revocation could not finish */
	BROKER_TIMED_OUT, /* the deadline passed; the worker still lives */
};

struct broker_outcome {
	enum broker_end end;
	int code, signal;
	bool ready;            /* it had said READY */
	bool recorded;         /* it had said END: record is complete */
	const uint8_t *record; /* a copy, valid until broker_free() */
	size_t record_bytes;
	char trail[512];       /* its last words, if any; terminated, printable */
	const char *why;       /* PROTOCOL: which rule; else NULL */
};

int broker_serve(struct broker *broker, const struct broker_hooks *hooks,
	struct broker_outcome *ret_outcome);

pid_t broker_worker(const struct broker *broker); /* 0: none */
