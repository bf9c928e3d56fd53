#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes links anew when a hostile guest has taken its own half away, and asks Xen what is left over.
. /hostile.sh
referee
judged
