/* SPDX-License-Identifier: Apache-2.0 */
/* walls_internal.h - one function per wall, for enter.c, probe.c and host_facts.c.
 *
 * Each raises its wall, tries what must now fail, and only then says up. Raw
 * facts about the kernel (layouts that Debian's headers do not have yet) stand
 * beside their use.
 *
 * Errors   0 or -errno, with the wall's name in the report. A probe that
 *          succeeds where it must fail is -ENOTRECOVERABLE. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "sandbox/walls.h"

enum walls_namespace { NS_USER, NS_PID, NS_MNT, NS_NET, NS_IPC, NS_UTS, NS_CGROUP };
extern const char *const walls_namespace_names[WALLS_NAMESPACES];
/* 0 where it cannot be told. */
uint64_t walls_namespace_number(unsigned int which);

/* The outside's user that a worker of root's becomes: nobody owns nothing. */
enum { WALLS_NOBODY = 65534 };

/* --- namespaces.c ------------------------------------------------------------ */
/* The user, and with T0 all namespaces that can be entered after birth. An error
 * other than -ENOTRECOVERABLE: this host refuses them, so T1 may be had. */
int walls_namespaces(
	const struct walls_plan *plan, struct walls_state *state, struct report *report);
int walls_stay_nobody(
	const struct walls_plan *plan, struct walls_state *state, struct report *report);
int walls_root_empty(struct walls_state *state, struct report *report);

/* --- landlock.c -------------------------------------------------------------- */
int walls_landlock_abi(void); /* 0: none */
int walls_landlock(struct walls_state *state, struct report *report);

/* --- limits.c ---------------------------------------------------------------- */
int walls_no_new_privs(struct walls_state *state, struct report *report);
int walls_drop_caps(struct walls_state *state, struct report *report);
int walls_not_dumpable(struct walls_state *state, struct report *report);
int walls_no_descriptors(struct walls_state *state, struct report *report);
int walls_memory_fixed(
	const struct walls_plan *plan, struct walls_state *state, struct report *report);
int walls_small_limits(const struct walls_plan *plan, struct report *report);
/* Address space of this process now, in bytes; 0 where it cannot be told. */
uint64_t walls_address_space(void);

/* --- fds.c ------------------------------------------------------------------- */
int walls_close_fds(const struct walls_plan *plan, bool ring_only, struct walls_state *state,
	struct report *report);

/* --- seccomp.c --------------------------------------------------------------- */
struct sock_filter;
/* Puts in what filter_pid.h stands for, and loads it: 0 or -errno. */
int walls_filter_load(
	const struct sock_filter *filter, unsigned int count, pid_t worker, int keep_fd);
int walls_seccomp(
	const struct walls_plan *plan, struct walls_state *state, struct report *report);

/* The report's words for a system call that failed: "NAME: WHAT: errno text". */
int walls_failed(struct report *report, enum wall wall, const char *what);
/* For a probe that got through, or was refused for another reason (`error`). */
int walls_leaks(struct report *report, enum wall wall, const char *tried, int error);
