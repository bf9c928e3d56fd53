// SPDX-License-Identifier: MIT
/// What an error of xenstored's most likely comes from.
#pragma once

#include <string>

namespace xvsock::peer {

/// To be put behind the error's own text: "; a quota of xenstored is used up"; or empty.
std::string hint_for(int error);

} // namespace xvsock::peer
