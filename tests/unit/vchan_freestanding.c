/* SPDX-License-Identifier: MIT */
/*
 * Proves that the shared headers are C11 and freestanding: this file is
 * compiled with -std=c11 -ffreestanding -Wpedantic -Werror and includes nothing
 * else. It also hands the C compiler's view of the shared page to the units.
 */
#include <vchan/platform.h>

#include <vchan/layout.h>
#include <vchan/notify.h>
#include <vchan/ring.h>

#include "vchan_freestanding.h"

const struct vchan_c_offsets vchan_c_offsets = {
    .left_cons = offsetof(struct vchan_page, left.cons),
    .left_prod = offsetof(struct vchan_page, left.prod),
    .right_cons = offsetof(struct vchan_page, right.cons),
    .right_prod = offsetof(struct vchan_page, right.prod),
    .left_order = offsetof(struct vchan_page, left_order),
    .right_order = offsetof(struct vchan_page, right_order),
    .cli_live = offsetof(struct vchan_page, cli_live),
    .srv_live = offsetof(struct vchan_page, srv_live),
    .cli_notify = offsetof(struct vchan_page, cli_notify),
    .srv_notify = offsetof(struct vchan_page, srv_notify),
    .grants = offsetof(struct vchan_page, grants),
};

bool vchan_c_round_trip(struct vchan_page *page, uint32_t n)
{
    struct vchan_end writer, reader;
    struct vchan_span span;
    struct vchan_words words = vchan_words_of(page, VCHAN_LAYOUT_XEN);
    uint32_t space, avail;

    vchan_end_init(&writer, words.left, VCHAN_ORDER_SMALL);
    vchan_end_init(&reader, words.left, VCHAN_ORDER_SMALL);
    if (!vchan_writer_space(&writer, &space) || space < n)
        return false;
    span = vchan_span_at(&writer, 0, n, writer.size);
    vchan_notify_request(&page->cli_notify, VCHAN_NOTIFY_WRITE);
    vchan_writer_advance(&writer, span.length);
    if (!vchan_notify_take(&page->cli_notify, VCHAN_NOTIFY_WRITE))
        return false;
    if (!vchan_reader_avail(&reader, &avail) || avail != span.length)
        return false;
    vchan_reader_advance(&reader, avail);
    return vchan_writer_space(&writer, &space) && space == writer.size;
}
