// SPDX-License-Identifier: MIT
#include "cid_table.hpp"

#include "policy_file.hpp"
#include "uuid.hpp"

#include <boost/crc.hpp>
#include <fmt/format.h>
#include <sstream>

namespace xvsock::peer {

namespace {

constexpr std::string_view heading = "xvsock-cids 1\n";

std::string checksum_line(std::string_view text) {
    boost::crc_32_type crc;
    crc.process_bytes(text.data(), text.size());
    return fmt::format("crc32 {:08x}\n", crc.checksum());
}

[[noreturn]] void refuse(const std::string& why) {
    throw cid_table_error(why);
}

} // namespace

// Lines: the heading, "next N", for each CID "cid N UUID", or "old N UUID" when the domain has another one
// now, and the checksum of all above it.
std::string cid_table::to_text() const {
    std::string text = fmt::format("{}next {}\n", heading, next_);
    for (const auto& [cid, uuid] : owners_)
        text += fmt::format("{} {} {}\n", current_.at(uuid) == cid ? "cid" : "old", cid, uuid);
    return text + checksum_line(text);
}

cid_table cid_table::parse(std::string_view text) {
    if (!text.starts_with(heading)) {
        if (text.starts_with("xvsock-cids "))
            refuse("it is of another version, and 1 is known");
        refuse(text.empty() ? "it is empty" : "it does not begin with 'xvsock-cids 1'");
    }
    const auto last = text.rfind('\n', text.size() - 2);
    if (text.substr(last + 1) != checksum_line(text.substr(0, last + 1)))
        refuse("its checksum is wrong: it is cut off, or was changed");

    cid_table table;
    std::istringstream lines{std::string(text.substr(heading.size(), last + 1 - heading.size()))};
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string what, uuid;
        std::uint32_t number = 0;
        words >> what >> number;
        if (!words)
            refuse(fmt::format("'{}' means nothing", line));
        if (what == "next") {
            table.next_ = number;
            continue;
        }
        words >> uuid;
        if ((what != "cid" && what != "old") || parse_uuid(uuid) != uuid || number < first_cid ||
            number > last_cid || !table.owners_.emplace(number, uuid).second ||
            (what == "cid" && !table.current_.emplace(uuid, number).second))
            refuse(fmt::format("'{}' cannot be", line));
    }
    // Nothing but what would be written again: no CID without its domain's present one, for instance.
    for (const auto& [cid, uuid] : table.owners_)
        if (!table.current_.contains(uuid))
            refuse(fmt::format("there is an old CID of {} but none of now", uuid));
    if (table.to_text() != text)
        refuse("it is not as xvsockd writes it");
    return table;
}

std::optional<std::uint32_t> cid_table::find(const std::string& uuid) const {
    const auto found = current_.find(uuid);
    return found == current_.end() ? std::nullopt : std::optional(found->second);
}

std::string cid_table::owner_of(std::uint32_t cid) const {
    const auto found = owners_.find(cid);
    return found == owners_.end() ? "" : found->second;
}

void cid_table::give(const std::string& uuid, std::uint32_t cid) {
    const auto [owner, is_new] = owners_.emplace(cid, uuid);
    if (!is_new && owner->second != uuid)
        throw cid_taken(
            fmt::format("CID {} is recorded for the domain with the UUID {}", cid, owner->second));
    current_[uuid] = cid;
}

void cid_table::give_next(const std::string& uuid, const std::set<std::uint32_t>& reserved) {
    std::uint32_t cid = next_;
    while (cid <= last_cid && (owners_.contains(cid) || reserved.contains(cid)))
        ++cid;
    if (cid > last_cid)
        throw cid_taken("all CIDs are given");
    give(uuid, cid);
    next_ = cid + 1;
}

std::vector<std::uint32_t> cid_table::forget(const std::string& uuid) {
    std::vector<std::uint32_t> cids;
    for (const auto& [cid, owner] : owners_)
        if (owner == uuid)
            cids.push_back(cid);
    for (const std::uint32_t cid : cids)
        owners_.erase(cid);
    current_.erase(uuid);
    return cids;
}

} // namespace xvsock::peer
