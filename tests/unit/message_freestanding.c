/* SPDX-License-Identifier: MIT */
/*
 * Proves that message.h and ports.h are C11 and freestanding: this file is compiled with
 * -std=c11 -ffreestanding -Wpedantic -Werror and includes nothing else.
 */
#include <vsock_transport/message.h>
#include <vsock_transport/ports.h>

enum xvsock_verdict message_c_judge(const struct xvsock_message *msg);

enum xvsock_verdict message_c_judge(const struct xvsock_message *msg)
{
    return xvsock_message_judge(msg);
}

const char *ports_c_parse(struct xvsock_ports *ports, const char *text, uint32_t port, bool *have);

const char *ports_c_parse(struct xvsock_ports *ports, const char *text, uint32_t port, bool *have)
{
    const char *where, *wrong = xvsock_ports_parse(ports, text, &where);

    *have = xvsock_ports_have(ports, port);
    return wrong;
}
