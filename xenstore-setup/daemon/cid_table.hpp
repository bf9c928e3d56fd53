// SPDX-License-Identifier: MIT
/// Which CID belongs to which domain, by UUID, for ever.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace xvsock::peer {

/// dom0's (VMADDR_CID_HOST), which is not in the table.
inline constexpr std::uint32_t dom0_cid = 2;

/// The first CID that is given to a domain: above the domid + 2 of all links that were made by hand.
inline constexpr std::uint32_t first_given_cid = 0x10000;

/// In the daemon's state folder.
inline std::string cid_file_in(const std::string& state_folder) {
    return state_folder + "/cids";
}

/// A table that cannot be read; what() says why.
class cid_table_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// Why a domain cannot have the CID that it is to have.
class cid_taken : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// A CID that was once given stays its domain's, also when the domain has got another one since.
class cid_table {
public:
    /// Throws cid_table_error for a text that to_text() has not made, or that is not all there.
    static cid_table parse(std::string_view text);
    std::string to_text() const;

    std::optional<std::uint32_t> find(const std::string& uuid) const;

    /// Whose the CID is or was: a UUID, or empty.
    std::string owner_of(std::uint32_t cid) const;

    /// Gives the domain this CID. Throws cid_taken when another domain has or had it.
    void give(const std::string& uuid, std::uint32_t cid);

    /// Gives the domain the next CID that nobody has or had, and that is none of `reserved`. Throws cid_taken
    /// when there are none left.
    void give_next(const std::string& uuid, const std::set<std::uint32_t>& reserved);

    /// Nothing up to this CID is given any more, unless it is chosen.
    void begin_after(std::uint32_t cid) { next_ = cid < next_ ? next_ : cid + 1; }

    /// Takes out all that is recorded for the domain, and returns its CIDs.
    std::vector<std::uint32_t> forget(const std::string& uuid);

    bool operator==(const cid_table&) const = default;

private:
    std::uint32_t next_ = first_given_cid;
    std::map<std::uint32_t, std::string> owners_;
    std::map<std::string, std::uint32_t> current_; ///< by UUID
};

/// A recorded table, and what is to be recorded in its place: a copy, made only when something is given.
class cid_draft {
public:
    explicit cid_draft(const cid_table& recorded) : recorded_(recorded) {}

    const cid_table& now() const { return changed_ ? *changed_ : recorded_; }
    cid_table& change() { return changed_ ? *changed_ : changed_.emplace(recorded_); }
    const std::optional<cid_table>& changed() const { return changed_; }

private:
    const cid_table& recorded_;
    std::optional<cid_table> changed_;
};

} // namespace xvsock::peer
