/* SPDX-License-Identifier: Apache-2.0 */
/* dial.c - a guest that talks to an echo server: as a file, or as WasmEdge's do.
 *
 * usage: dial file PATH           knows files only
 *        dial edge A.B.C.D PORT   sock_open, sock_connect (version 1)
 * Says what came back, the peer, or the errno; ends with that errno. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define EDGE(name) \
	__attribute__((import_module("wasi_snapshot_preview1"), import_name(#name))) uint32_t name

struct address {
	void *at;
	uint32_t bytes;
};

EDGE(sock_open)(uint32_t family, uint32_t type, int *fd);
EDGE(sock_connect)(int fd, struct address *address, uint32_t port);
EDGE(sock_getpeeraddr)(int fd, struct address *address, uint32_t *type, uint32_t *port);

static int
talk(int fd)
{
	static const char words[] = "to and fro";
	char back[64];
	struct stat stat;
	ssize_t got;

	if (write(fd, words, sizeof words - 1) != sizeof words - 1 ||
		(got = read(fd, back, sizeof back)) < 0 || fstat(fd, &stat))
		return errno;
	printf("%.*s%s\n", (int)got, back, S_ISSOCK(stat.st_mode) ? ", over a socket" : "");
	return close(fd) ? errno : 0;
}

static int
edge(const char *host, uint32_t port)
{
	unsigned parts[4];
	unsigned char bytes[4];
	struct address address = {bytes, 4};
	unsigned char peer_bytes[16];
	struct address peer = {peer_bytes, 16};
	uint32_t error, type, peer_port;
	int fd;

	if (sscanf(host, "%u.%u.%u.%u", parts, parts + 1, parts + 2, parts + 3) != 4)
		return EINVAL;
	for (int i = 0; i < 4; i++)
		bytes[i] = (unsigned char)parts[i];
	error = sock_open(1, 2, &fd);
	if (!error)
		error = sock_connect(fd, &address, port);
	if (!error)
		error = sock_getpeeraddr(fd, &peer, &type, &peer_port);
	if (error)
		return (int)error;
	printf("IPv%u %u.%u.%u.%u:%u\n", type, peer_bytes[0], peer_bytes[1], peer_bytes[2],
		peer_bytes[3], peer_port);
	return talk(fd);
}

int
main(int argc, char **argv)
{
	int fd, error;

	if (argc == 4 && !strcmp(argv[1], "edge")) {
		error = edge(argv[2], (uint32_t)atoi(argv[3]));
	} else if (argc == 3) {
		fd = open(argv[2], O_RDWR);
		error = fd < 0 ? errno : talk(fd);
	} else {
		return 64;
	}
	if (error)
		printf("errno %d\n", error);
	return error;
}
