// SPDX-License-Identifier: GPL-2.0-only
/* First, so that the tracepoints in the kernel's headers are only declared here. */
#include "connection.h"

#define CREATE_TRACE_POINTS
#include "trace.h"
