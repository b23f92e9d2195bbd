/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/caps/bench.h"

static struct bench b;
static struct bench_usual usual;

static void
open_bench(void)
{
	bench_open(&b);
	usual = bench_usual(&b);
}

static void
close_bench(void)
{
	bench_close(&b);
}

TestSuite(file, .init = open_bench, .fini = close_bench);

enum { DATA = 3, MEM = 0x20000, OUT = 0x100, VEC = 0x200 };

Test(file, what_was_written_is_read)
{
	const int fd = bench_open_path(&b, DATA, "f", OFLAG_CREAT, RW, 0);

	cr_assert_eq(fd, 5, "0 to 2, /data, /; got %d", fd);
	cr_assert_eq(bench_write(&b, 5, "hello"), 0);
	cr_assert_eq(bench_call(&b, "fd_tell", 5, OUT), 0);
	cr_assert_eq(bench_word(&b, OUT, 8), 5);
	cr_assert_str_eq(bench_read(&b, 5), "");
	cr_assert_eq(bench_call(&b, "fd_seek", 5, (uint64_t)-4, WHENCE_CUR, OUT), 0);
	cr_assert_str_eq(bench_read(&b, 5), "ello");
}

Test(file, a_transfer_longer_than_a_piece_goes_in_pieces)
{
	const uint32_t bytes = 3 * DEVICE_PIECE_BYTES + 7;
	const int fd = bench_open_path(&b, DATA, "big", OFLAG_CREAT, RW, 0);

	for (uint32_t i = 0; i < bytes; i++)
		b.memory[MEM + i] = (uint8_t)(i * 7 + i / 251);
	bench_vector(&b, VEC, 0, MEM, 1000);
	bench_vector(&b, VEC, 1, MEM, 0);
	bench_vector(&b, VEC, 2, MEM + 1000, bytes - 1000);
	b.device.short_max = 50000; /* the outside cuts them finer */
	cr_assert_eq(bench_call(&b, "fd_write", (uint64_t)fd, VEC, 3, OUT), 0);
	cr_assert_eq(bench_word(&b, OUT, 4), bytes);
	bench_vector(&b, VEC, 0, MEM + 0x70000, 100000);
	bench_vector(&b, VEC, 1, MEM + 0x70000 + 100000, bytes - 100000);
	cr_assert_eq(bench_call(&b, "fd_pread", (uint64_t)fd, VEC, 2, 0, OUT), 0);
	cr_assert_eq(bench_word(&b, OUT, 4), bytes);
	cr_assert_eq(memcmp(b.memory + MEM, b.memory + MEM + 0x70000, bytes), 0);
}

/* Gas of a read by what was asked and got, never by how the outside cut it. */
Test(file, gas_does_not_depend_on_short_reads)
{
	uint64_t gas[2];

	for (int i = 0; i < 2; i++) {
		const int fd = bench_open_path(&b, DATA, "f", OFLAG_CREAT, RW, 0);

		bench_vector(&b, VEC, 0, MEM, 300000);
		gas[i] = b.gas;
		b.device.short_max = i ? 4096 : 0;
		cr_assert_eq(bench_call(&b, "fd_write", (uint64_t)fd, VEC, 1, OUT), 0);
		cr_assert_eq(bench_word(&b, OUT, 4), 300000);
		cr_assert_eq(bench_call(&b, "fd_pread", (uint64_t)fd, VEC, 1, 1000, OUT), 0);
		cr_assert_eq(bench_word(&b, OUT, 4), 299000);
		gas[i] = b.gas - gas[i];
		cr_assert_eq(bench_call(&b, "fd_close", (uint64_t)fd), 0);
		b.device.short_max = 0;
	}
	cr_assert_eq(gas[0], gas[1]);
}

Test(file, a_stream_that_is_not_live_fills_its_buffer)
{
	b.device.short_max = 2;
	cr_assert_str_eq(bench_read(&b, 0), "input");
	fake_stream_feed(&b.device, usual.in, "more", 4);
	cr_assert_str_eq(bench_read(&b, 0), "", "the end stays");
}

Test(file, everything_the_guest_points_at_is_looked_at_first)
{
	const int fd = bench_open_path(&b, DATA, "f", OFLAG_CREAT, RW, 0);
	const uint64_t requests = b.requests;
	static const struct {
		uint32_t at, bytes, vectors_at, count, result_at;
		uint32_t error;
	} rows[] = {
		{MEM, 10, VEC, 1, BENCH_MEMORY - 3, WASI_EFAULT},
		{MEM, 10, BENCH_MEMORY - 7, 1, OUT, WASI_EFAULT},
		{BENCH_MEMORY - 9, 10, VEC, 1, OUT, WASI_EFAULT},
		{UINT32_MAX, 10, VEC, 1, OUT, WASI_EFAULT},
		{MEM, UINT32_MAX, VEC, 1, OUT, WASI_EFAULT},
		{MEM, 10, VEC, 1025, OUT, WASI_EINVAL},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		bench_vector(&b, VEC, 0, rows[i].at, rows[i].bytes);
		for (int write = 0; write < 2; write++)
			cr_assert_eq(bench_call(&b, write ? "fd_write" : "fd_read", (uint64_t)fd,
					     rows[i].vectors_at, rows[i].count, rows[i].result_at),
				rows[i].error, "row %zu", i);
	}
	cr_assert_eq(b.requests, requests, "nothing happened");
}

Test(file, streams_have_no_position)
{
	bench_vector(&b, VEC, 0, MEM, 1);
	for (uint64_t fd = 0; fd < 3; fd++) {
		cr_assert_eq(bench_call(&b, "fd_seek", fd, 0, WHENCE_CUR, OUT), WASI_ESPIPE);
		cr_assert_eq(bench_call(&b, "fd_tell", fd, OUT), WASI_ESPIPE);
		cr_assert_eq(bench_call(&b, "fd_pread", fd, VEC, 1, 0, OUT), WASI_ESPIPE);
		cr_assert_eq(bench_call(&b, "fd_pwrite", fd, VEC, 1, 0, OUT), WASI_ESPIPE);
		cr_assert_eq(bench_call(&b, "fd_advise", fd, 0, 0, 0), WASI_ESPIPE);
		cr_assert_eq(bench_call(&b, "fd_allocate", fd, 0, 1), WASI_ESPIPE);
		cr_assert_eq(bench_call(&b, "fd_filestat_set_size", fd, 0), WASI_EINVAL);
		cr_assert_eq(bench_call(&b, "fd_sync", fd), 0);
		cr_assert_eq(bench_call(&b, "fd_datasync", fd), 0);
	}
}

Test(file, directories_have_no_bytes)
{
	bench_vector(&b, VEC, 0, MEM, 1);
	for (uint64_t fd = 3; fd < 5; fd++) {
		cr_assert_eq(bench_call(&b, "fd_read", fd, VEC, 1, OUT), WASI_EISDIR);
		cr_assert_eq(bench_call(&b, "fd_write", fd, VEC, 1, OUT), WASI_EISDIR);
		cr_assert_eq(bench_call(&b, "fd_pread", fd, VEC, 1, 0, OUT), WASI_EISDIR);
		cr_assert_eq(bench_call(&b, "fd_pwrite", fd, VEC, 1, 0, OUT), WASI_EISDIR);
		cr_assert_eq(bench_call(&b, "fd_seek", fd, 0, 0, OUT), WASI_EISDIR);
		cr_assert_eq(bench_call(&b, "fd_tell", fd, OUT), WASI_EISDIR);
		cr_assert_eq(bench_call(&b, "fd_allocate", fd, 0, 1), WASI_EISDIR);
		cr_assert_eq(bench_call(&b, "fd_filestat_set_size", fd, 0), WASI_EISDIR);
		cr_assert_eq(bench_call(&b, "fd_advise", fd, 0, 0, 0), WASI_EBADF);
	}
}

Test(file, closed_descriptors_are_bad_in_every_call)
{
	static const char *const calls[] = {"fd_advise", "fd_allocate", "fd_close", "fd_datasync",
		"fd_fdstat_get", "fd_fdstat_set_flags", "fd_fdstat_set_rights", "fd_filestat_get",
		"fd_filestat_set_size", "fd_filestat_set_times", "fd_pread", "fd_prestat_get",
		"fd_prestat_dir_name", "fd_pwrite", "fd_read", "fd_readdir", "fd_renumber", "fd_seek",
		"fd_sync", "fd_tell", "fd_write", "path_create_directory", "path_filestat_get",
		"path_filestat_set_times", "path_open", "path_readlink", "path_remove_directory",
		"path_rename", "path_unlink_file", "sock_accept", "sock_recv", "sock_send",
		"sock_shutdown"};

	for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
		cr_assert_eq(bench_call(&b, calls[i], 99, 0, 0, 0, 0, 0, 0, 0, 0), WASI_EBADF, "%s",
			calls[i]);
		cr_assert_eq(bench_call(&b, calls[i], UINT32_MAX, 0, 0, 0, 0, 0, 0, 0, 0), WASI_EBADF,
			"%s", calls[i]);
	}
}

Test(file, seek_ends)
{
	const uint64_t fd = (uint64_t)bench_open_path(&b, DATA, "f", OFLAG_CREAT, RW, 0);

	cr_assert_eq(bench_write(&b, (uint32_t)fd, "12345678"), 0);
	cr_assert_eq(bench_call(&b, "fd_seek", fd, (uint64_t)-3, WHENCE_END, OUT), 0);
	cr_assert_eq(bench_word(&b, OUT, 8), 5);
	cr_assert_eq(bench_call(&b, "fd_seek", fd, (uint64_t)-9, WHENCE_END, OUT), WASI_EINVAL);
	cr_assert_eq(bench_call(&b, "fd_seek", fd, (uint64_t)-1, WHENCE_SET, OUT), WASI_EINVAL);
	cr_assert_eq(bench_call(&b, "fd_seek", fd, 0, 3, OUT), WASI_EINVAL);
	cr_assert_eq(bench_call(&b, "fd_seek", fd, INT64_MAX, WHENCE_CUR, OUT), WASI_EINVAL);
	cr_assert_eq(bench_call(&b, "fd_seek", fd, INT64_MAX, WHENCE_SET, OUT), 0);
	cr_assert_eq(bench_write(&b, (uint32_t)fd, "x"), WASI_EFBIG);
	cr_assert_eq(bench_call(&b, "fd_tell", fd, OUT), 0);
	cr_assert_eq(bench_word(&b, OUT, 8), INT64_MAX, "a call that fails moves nothing");
}

Test(file, appending_writes_go_to_the_end)
{
	const uint64_t fd =
		(uint64_t)bench_open_path(&b, DATA, "f", OFLAG_CREAT, RW, FDFLAG_APPEND);

	cr_assert_eq(bench_write(&b, (uint32_t)fd, "ab"), 0);
	cr_assert_eq(bench_call(&b, "fd_seek", fd, 0, WHENCE_SET, OUT), 0);
	cr_assert_eq(bench_write(&b, (uint32_t)fd, "cd"), 0);
	cr_assert_eq(bench_call(&b, "fd_tell", fd, OUT), 0);
	cr_assert_eq(bench_word(&b, OUT, 8), 4);
	cr_assert_eq(bench_call(&b, "fd_fdstat_set_flags", fd, 0), 0);
	cr_assert_eq(bench_call(&b, "fd_seek", fd, 0, WHENCE_SET, OUT), 0);
	cr_assert_eq(bench_write(&b, (uint32_t)fd, "X"), 0);
	cr_assert_eq(bench_call(&b, "fd_seek", fd, 0, WHENCE_SET, OUT), 0);
	cr_assert_str_eq(bench_read(&b, (uint32_t)fd), "Xbcd");
	cr_assert_eq(bench_call(&b, "fd_fdstat_set_flags", fd, 32), WASI_EINVAL);
}

Test(file, writes_that_are_to_be_synced_are)
{
	const uint32_t fd =
		(uint32_t)bench_open_path(&b, DATA, "f", OFLAG_CREAT, RW, FDFLAG_SYNC);

	cr_assert_eq(bench_write(&b, fd, "ab"), 0);
	cr_assert_eq(b.device.ops[DEVICE_SYNC], 1);
	cr_assert_eq(bench_call(&b, "fd_sync", fd), 0);
	cr_assert_eq(bench_call(&b, "fd_datasync", fd), 0);
	cr_assert_eq(b.device.ops[DEVICE_SYNC], 3);
}

Test(file, sizes)
{
	const uint64_t fd = (uint64_t)bench_open_path(&b, DATA, "f", OFLAG_CREAT, RW, 0);

	cr_assert_eq(bench_call(&b, "fd_filestat_set_size", fd, 100), 0);
	cr_assert_eq(bench_call(&b, "fd_allocate", fd, 10, 10), 0);
	cr_assert_eq(bench_call(&b, "fd_filestat_get", fd, OUT), 0);
	cr_assert_eq(bench_word(&b, OUT + 32, 8), 100);
	cr_assert_eq(bench_call(&b, "fd_allocate", fd, 90, 20), 0);
	cr_assert_eq(bench_call(&b, "fd_filestat_get", fd, OUT), 0);
	cr_assert_eq(bench_word(&b, OUT + 32, 8), 110);
	cr_assert_eq(bench_call(&b, "fd_allocate", fd, 0, 0), WASI_EINVAL);
	cr_assert_eq(bench_call(&b, "fd_allocate", fd, INT64_MAX, 1), WASI_EFBIG);
	cr_assert_eq(bench_call(&b, "fd_filestat_set_size", fd, UINT64_MAX), WASI_EINVAL);
	cr_assert_eq(bench_call(&b, "fd_advise", fd, 0, 10, 5), 0);
	cr_assert_eq(bench_call(&b, "fd_advise", fd, 0, 10, 6), WASI_EINVAL);
	cr_assert_eq(bench_call(&b, "fd_advise", fd, UINT64_MAX, 10, 0), WASI_EINVAL);
}

Test(file, errors_of_the_outside)
{
	const uint32_t fd = (uint32_t)bench_open_path(&b, DATA, "f", OFLAG_CREAT, RW, 0);

	fake_fail(&b.device, DEVICE_WRITE, 1, DEVICE_ENOSPC);
	cr_assert_eq(bench_write(&b, fd, "ab"), WASI_ENOSPC);
	b.device.short_max = 1;
	fake_fail(&b.device, DEVICE_WRITE, 2, DEVICE_ENOSPC);
	cr_assert_eq(bench_write(&b, fd, "ab"), 0, "what was written is told");
	cr_assert_eq(bench_word(&b, 0x9000, 4), 1);
	b.device.handles[usual.out].broken = true;
	cr_assert_eq(bench_write(&b, 1, "x"), WASI_EPIPE);
	fake_fail(&b.device, DEVICE_READ, 1, DEVICE_EIO);
	bench_vector(&b, VEC, 0, MEM, 10);
	cr_assert_eq(bench_call(&b, "fd_read", fd, VEC, 1, OUT), WASI_EIO);
}

Test(file, gas_that_runs_out_stops_before_anything_happens)
{
	const uint64_t fd = (uint64_t)bench_open_path(&b, DATA, "f", OFLAG_CREAT, RW, 0);
	const uint64_t requests = b.requests;

	bench_vector(&b, VEC, 0, MEM, 100000);
	b.gas_limit = b.gas + 4000;
	bench_run_once(&b, "fd_write", (const uint64_t[]){fd, VEC, 1, OUT});
	cr_assert_eq(b.end, CALL_DRY);
	cr_assert_eq(b.requests, requests);
	b.gas_limit = 0;
	cr_assert_eq(bench_call(&b, "fd_write", fd, VEC, 1, OUT), 0, "it goes on after a refuel");
	cr_assert_eq(bench_word(&b, OUT, 4), 100000);
}

Test(file, wasi_rights_only_shrink)
{
	const uint64_t fd = (uint64_t)bench_open_path(&b, DATA, "f", OFLAG_CREAT, RW, 0);
	const uint64_t less = RW & ~RIGHT_BIT(R_FD_WRITE);

	cr_assert_eq(bench_call(&b, "fd_fdstat_set_rights", fd, less, 0), 0);
	cr_assert_eq(bench_write(&b, (uint32_t)fd, "x"), WASI_ENOTCAPABLE);
	cr_assert_eq(bench_call(&b, "fd_fdstat_set_rights", fd, RW, 0), WASI_ENOTCAPABLE);
	cr_assert_eq(bench_call(&b, "fd_fdstat_get", fd, OUT), 0);
	cr_assert_eq(bench_word(&b, OUT + 8, 8), less);
	cr_assert_eq(b.memory[OUT], FILETYPE_REGULAR);
}
