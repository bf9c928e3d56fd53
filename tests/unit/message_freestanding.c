/* SPDX-License-Identifier: MIT */
/*
 * Proves that message.h is C11 and freestanding: this file is compiled with
 * -std=c11 -ffreestanding -Wpedantic -Werror and includes nothing else.
 */
#include <vsock_transport/message.h>

enum xvsock_verdict message_c_judge(const struct xvsock_message *msg);

enum xvsock_verdict message_c_judge(const struct xvsock_message *msg)
{
    return xvsock_message_judge(msg);
}
