// SPDX-License-Identifier: MIT
#include "transfer/report.hpp"

#include "transfer/progress.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace xvsock::transfer {

std::string format_outcome(const std::string& peer, const outcome& result) {
    if (!result.problem.empty())
        return fmt::format("{}: {}: {}\n", peer, printable(result.name), result.problem);
    const std::string before =
        result.resumed == 0 ? "" : fmt::format(", {} of them were there before", result.resumed);
    const double rate = result.seconds > 0 ? double(result.size - result.resumed) / result.seconds : 0;
    return fmt::format("{}: {}: {} bytes in {:.2f} s, {}/s{}\n", peer, printable(result.name), result.size,
                       result.seconds, format_bytes(rate), before);
}

std::string format_outcome_json(const std::string& peer, const outcome& result) {
    boost::json::object line{{"peer", peer},
                             {"file", printable(result.name)},
                             {"bytes", result.size},
                             {"resumed_bytes", result.resumed}};
    if (result.problem.empty()) {
        line["sha256"] = to_string(result.sum);
        line["seconds"] = result.seconds;
    } else {
        line["error"] = result.problem;
    }
    return boost::json::serialize(line) + "\n";
}

} // namespace xvsock::transfer
