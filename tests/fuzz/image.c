/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_image: any bytes, with the hash that an image must end with put after
 * them, so that the reader itself is asked. Refused with words, or a sound tree
 * of domains that is written as it was read, and can run. */
#include <stdlib.h>
#include <string.h>

#include "kernel/base/blake2b.h"
#include "kernel/world.h"
#include "tests/support/buffer.h"
#include "tests/support/fake_device.h"
#include "tests/support/fake_host.h"
#include "tests/support/test_caps.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

/* Address space is what a hostile image asks for first. */
static const uint64_t reserved_max = (uint64_t)1 << 36;

static void
check(bool holds)
{
	if (!holds)
		abort();
}

/* The input, and its hash if it is not there already. */
static void
sign(const uint8_t *bytes, size_t count, struct buffer *ret_image)
{
	uint8_t hash[BLAKE2B_BYTES];

	buffer_init(ret_image);
	if (count)
		(void)buffer_put(&ret_image->sink, bytes, count);
	if (count > sizeof hash) {
		blake2b_256(bytes, count - sizeof hash, hash);
		if (!memcmp(hash, bytes + count - sizeof hash, sizeof hash))
			return;
	}
	blake2b_256(bytes, count, hash);
	(void)buffer_put(&ret_image->sink, hash, sizeof hash);
}

static void
use(struct world *world, struct domain *domain, const struct buffer *image)
{
	struct buffer again;

	buffer_init(&again);
	world_check(world);
	check(image_write(world, domain, &again.sink, false) == 0);
	check(again.count == image->count && !memcmp(again.bytes, image->bytes, again.count));
	buffer_done(&again);
	line_limit(world_clock(world), &domain->meter.line, 20000);
	domain_start(domain);
	(void)world_run(world, domain, true);
	world_check(world);
	domain_end(domain);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	static struct fake_device device;
	struct fake_host host;
	struct test_user user = {0};
	const struct world_config config = {.host = &host.host, .device = &device.device,
		.caps = &test_caps, .user = &user, .executor = count % 2 && executor_present(EXECUTOR_FAST)
			? EXECUTOR_FAST : EXECUTOR_SWITCH};
	struct domain *domain = NULL;
	struct report report;
	struct world *world;
	struct buffer image;

	sign(bytes, count, &image);
	if (count > 12 && bytes[12] & 1) { /* thin ones have nothing to be run with */
		buffer_done(&image);
		return -1;
	}
	fake_host_init(&host);
	host.reserved_max = reserved_max;
	fake_device_init(&device, 1);
	user.in = fake_stream(&device, "in", 2);
	fake_stream_close(&device, user.in);
	user.out = fake_stream(&device, NULL, 0);
	world = world_open(&config);
	check(world != NULL);
	report_clear(&report);
	if (image_read(world, image.bytes, image.count, &report, &domain))
		check(report.text[0] != '\0');
	else
		use(world, domain, &image);
	check(bank_used(world_bank(world)) == 0);
	world_close(world);
	check(host.reserved == 0);
	fake_device_done(&device);
	fake_host_done(&host);
	buffer_done(&image);
	return 0;
}
