/* SPDX-License-Identifier: Apache-2.0 */
/* json.h - values of ours as JSON's. */
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/* JSON is UTF-8; bytes that are none become '?'. */
json_t *json_text(const char *text, size_t bytes);
/* The text that an object has there, or "". */
const char *json_text_of(const json_t *object, const char *name);
/* JSON's numbers are signed here: what is larger is the largest. */
json_t *json_count(uint64_t count);
json_t *json_limit(uint64_t limit); /* UINT64_MAX: null */
