/* SPDX-License-Identifier: Apache-2.0 */
/* parent KID.wasm TIMES: an ordinary C program that makes a domain of a module it
 * reads from a file, hands it words, and gives it gas whenever it has none:
 *
 *     keyhold run --dir FOLDER::/d parent.wasm /d/kid.wasm 3 */
#include <stdio.h>
#include <stdlib.h>

#include "caps/guest.h"

enum { MODULE = 100, CHILD, GAS = 40000 };

static unsigned char bytes[1 << 20];

static void
check(const char *what, kh_u32 rc)
{
	if (!rc)
		return;
	fprintf(stderr, "parent: %s: rc %u\n", what, rc);
	exit(1);
}

int
main(int argc, char **argv)
{
	struct kh_message m = kh_message();
	FILE *file = argc == 3 ? fopen(argv[1], "rb") : NULL;
	unsigned fed = 0;

	if (!file) {
		fputs("usage: parent KID.wasm TIMES\n", stderr);
		return 64;
	}
	m.word[0] = (kh_u32)bytes;
	m.word[1] = fread(bytes, 1, sizeof bytes, file);
	m.receive[0] = MODULE;
	check("load", kh_call(KH_CREATOR, KH_CREATOR_LOAD, &m));
	m = kh_message();
	m.word[0] = 1 << 20;
	m.send[0] = MODULE;
	m.receive[0] = CHILD;
	check("make", kh_call(KH_CREATOR, KH_CREATOR_MAKE, &m));
	for (int i = 0; i <= atoi(argv[2]);) {
		m = kh_message();
		m.word[0] = GAS;
		m.word[1] = (kh_u64)i * 1000;
		check("run", kh_call(CHILD, KH_DOMAIN_RUN, &m));
		fed++;
		if (m.word[0] == KH_STOP_OUT_OF_GAS)
			continue;
		if (m.word[0] != KH_STOP_YIELDED)
			break;
		printf("%d: %016llx\n", i++, (unsigned long long)m.word[1]);
	}
	printf("it stopped for reason %llu, and was fed %u times\n", (unsigned long long)m.word[0], fed);
	return 0;
}
