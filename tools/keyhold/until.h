/* SPDX-License-Identifier: Apache-2.0 */
/* until.h - stops a run where a template is to be taken of it.
 *
 *   stdin      a device over the client's: the first request to read or poll the
 *              stream of descriptor 0 is kept back and ends as cancelled, so the
 *              call is rewound: the image stands before it
 *   call:N     the imports wrapped: the N-th call that the program makes of a
 *              served import stops instead, and runs when the domain goes on
 *   export:F   one safepoint at a time, until F is on top of the stack: its entry
 *
 * Callers  guest.c. Of the program's own domain only; one a worker. */
#pragma once

#include "tools/keyhold/worker.h"

/* The device and the imports that the world is to have. */
struct device *until_device(struct worker *worker, struct device *below);
const struct caps *until_caps(struct worker *worker, const struct caps *caps);
/* Once there is a domain: refuses an export that the program has not. */
void until_begin(struct worker *worker);
bool until_reached(const struct worker *worker);
/* It stopped after a safepoint: is it there? Else the next one is awaited. */
bool until_step(struct worker *worker);
