// SPDX-License-Identifier: GPL-2.0-only
/* There is iter_iov(), in place of a member. */
#include <linux/uio.h>

const struct iovec *probe(const struct iov_iter *iter);
const struct iovec *probe(const struct iov_iter *iter)
{
	return iter_iov(iter);
}
