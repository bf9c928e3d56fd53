// SPDX-License-Identifier: MIT
/// xenstore for programs of Boost.Asio.
#pragma once

#include "xvsock/xenstore/client.hpp"
#include "xvsock/xenstore/view.hpp"
#include "xvsock/xenstore/watch.hpp"
