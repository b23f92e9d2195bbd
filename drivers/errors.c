/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers/errors.h"

#include <errno.h>

static const struct {
	int number;
	enum device_error error;
} rows[] = {
	{EPERM, DEVICE_EPERM},
	{ENOENT, DEVICE_ENOENT},
	{EIO, DEVICE_EIO},
	{EBADF, DEVICE_EBADF},
	{EAGAIN, DEVICE_EAGAIN},
	{ENOMEM, DEVICE_ENOMEM},
	{EACCES, DEVICE_EACCES},
	{EBUSY, DEVICE_EBUSY},
	{EEXIST, DEVICE_EEXIST},
	{EXDEV, DEVICE_EXDEV},
	{ENOTDIR, DEVICE_ENOTDIR},
	{EISDIR, DEVICE_EISDIR},
	{EINVAL, DEVICE_EINVAL},
	{ENFILE, DEVICE_ENFILE},
	{EMFILE, DEVICE_EMFILE},
	{EFBIG, DEVICE_EFBIG},
	{ENOSPC, DEVICE_ENOSPC},
	{ESPIPE, DEVICE_ESPIPE},
	{EROFS, DEVICE_EROFS},
	{EMLINK, DEVICE_EMLINK},
	{EPIPE, DEVICE_EPIPE},
	{ENAMETOOLONG, DEVICE_ENAMETOOLONG},
	{ENOTEMPTY, DEVICE_ENOTEMPTY},
	{ELOOP, DEVICE_ELOOP},
	{EOVERFLOW, DEVICE_EOVERFLOW},
	{ENOTSUP, DEVICE_ENOTSUP},
	{ENOSYS, DEVICE_ENOTSUP},
	{ENODEV, DEVICE_ENOTSUP}, /* fallocate on what is no file */
	{ECANCELED, DEVICE_ECANCELED},
	{EINTR, DEVICE_ECANCELED}, /* io-wq work that a cancel woke */
	{ETIMEDOUT, DEVICE_ETIMEDOUT},
	{ETIME, DEVICE_ETIMEDOUT},
	{ECONNRESET, DEVICE_ECONNRESET},
	{ENOTCONN, DEVICE_ENOTCONN},
	{EDQUOT, DEVICE_EDQUOT},
	{ETXTBSY, DEVICE_ETXTBSY},
	{ENXIO, DEVICE_EUNSUITABLE}, /* a FIFO without a reader, a socket, a dead device */
};

enum device_error
device_error_of(int number)
{
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (rows[i].number == number)
			return rows[i].error;
	return DEVICE_EIO;
}
