/* SPDX-License-Identifier: Apache-2.0 */
/* ends.h - what goes when an object of a kind ends; its body is freed after. */
#pragma once

#include "kernel/world.h"

void program_end(struct world *world, void *body);
void meter_object_end(struct world *world, void *body);
void segment_end(struct world *world, void *body);
void bank_object_end(struct world *world, void *body);
void purse_object_end(struct world *world, void *body);
void factory_end(struct world *world, void *body);
void image_object_end(struct world *world, void *body);
void grant_object_end(struct world *world, void *body);
