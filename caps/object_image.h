/* SPDX-License-Identifier: Apache-2.0 */
/* object_image.h - struct caps' columns for objects in images. */
#pragma once

#include "kernel/world.h"

void object_image_begin(struct world *world);
bool object_image_fits(uint8_t kind, uint64_t bytes);
void object_image_write(struct world *world, uint8_t kind, const void *body, struct sink *sink);
bool object_image_read(struct world *world, uint8_t kind, struct bank *payer, void *body,
	uint64_t bytes, struct bytes_in *in);
struct key *object_image_keys(uint8_t kind, void *body, uint32_t *ret_count);
struct module *object_image_module(uint8_t kind, const void *body);
const char *root_grant_name(struct world *world, uint32_t grant);
uint32_t root_grant_find(struct world *world, const char *name, uint32_t bytes);
