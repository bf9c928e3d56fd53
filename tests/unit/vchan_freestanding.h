/* SPDX-License-Identifier: MIT */
/* What vchan_freestanding.c, compiled as C, offers to the units. */
#ifndef VCHAN_FREESTANDING_H
#define VCHAN_FREESTANDING_H

#include <vchan/layout.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vchan_c_offsets {
    size_t left_cons, left_prod, right_cons, right_prod;
    size_t left_order, right_order;
    size_t cli_live, srv_live, cli_notify, srv_notify;
    size_t grants;
};

extern const struct vchan_c_offsets vchan_c_offsets;

/* Sends n bytes' worth of indices through page->left, with a kick; true if every step came out right. */
bool vchan_c_round_trip(struct vchan_page *page, uint32_t n);

#ifdef __cplusplus
}
#endif

#endif /* VCHAN_FREESTANDING_H */
