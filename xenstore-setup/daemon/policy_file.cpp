// SPDX-License-Identifier: MIT
#include "policy_file.hpp"

#include "policy_words.hpp"
#include "uuid.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <fstream>
#include <sstream>

namespace xvsock::peer {

namespace {

class line_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

constexpr std::string_view patterns_are =
    "a domain is NAME, a glob as in web-*, uuid:UUID, group:NAME, dom0 or *";

template <typename Number> std::optional<Number> parse_number(std::string_view text) {
    Number number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size())
        return std::nullopt;
    return number;
}

std::uint64_t parse_memory(const std::string& text) {
    constexpr std::uint64_t least = 4096, most = 1ULL << 40;
    constexpr std::string_view units = "KMG";
    std::string_view digits = text;
    unsigned shift = 0;
    if (const auto unit = digits.empty() ? std::string_view::npos : units.find(digits.back());
        unit != std::string_view::npos) {
        shift = 10 * unsigned(unit + 1);
        digits.remove_suffix(1);
    }
    const auto number = parse_number<std::uint64_t>(digits);
    if (!number || *number > most >> shift || *number << shift < least)
        throw line_error(
            fmt::format("'{}' is no amount of memory: from 4K to 1024G is wanted, as in 64M", text));
    return *number << shift;
}

/// The words of a line, taken one by one.
class word_queue {
public:
    explicit word_queue(std::vector<word> words) : words_(std::move(words)) {}

    bool empty() const { return next_ == words_.size(); }
    const word& take(std::string_view what) {
        if (empty())
            throw line_error(fmt::format("the line ends where {} is expected", what));
        return words_[next_++];
    }
    void expect_end(std::string_view what) const {
        if (!empty())
            throw line_error(fmt::format("'{}' is too much: {}", words_[next_].text, what));
    }

private:
    std::vector<word> words_;
    std::size_t next_ = 0;
};

class parser {
public:
    void parse_line(std::string_view text, unsigned line) {
        line_ = line;
        word_queue words(split_words(text));
        if (words.empty())
            return;
        const word& keyword = words.take("a keyword");
        if (keyword.is("allow") || keyword.is("deny"))
            parse_rule(keyword.is("allow"), words);
        else if (keyword.is("group"))
            parse_group(words);
        else if (keyword.is("limit"))
            parse_limit(words);
        else if (keyword.is("cid"))
            parse_pin(words);
        else
            throw line_error(fmt::format(
                "'{}' is no keyword: a line begins with allow, deny, group, limit or cid", keyword.text));
    }

    policy take() { return std::move(policy_); }

private:
    using members = std::shared_ptr<const std::vector<pattern>>;

    pattern parse_pattern(const word& one) const {
        const std::string& text = one.text;
        if (one.quoted)
            return {pattern::kind::name, text, nullptr};
        if (text == "*")
            return {};
        if (text == "dom0" || text == dom0_name)
            return {pattern::kind::dom0, "", nullptr};
        if (text == "->" || text == "<->" || text == "=" || text == "port" || text == "ports")
            throw line_error(fmt::format("'{}' stands where a domain is expected: {}", text, patterns_are));
        if (text.find("->") != std::string::npos)
            throw line_error(fmt::format("blanks are missing around the arrow in '{}'", text));
        if (const auto colon = text.find(':'); colon != std::string::npos)
            return parse_prefixed(text.substr(0, colon), text.substr(colon + 1));
        if (text.find_first_of(",=") != std::string::npos)
            throw line_error(
                fmt::format("'{}' is no domain: {}; a name with , or = in it is quoted", text, patterns_are));
        if (text.find_first_of("*?[") == std::string::npos)
            return {pattern::kind::name, text, nullptr};
        if (const auto open = text.find('[');
            open != std::string::npos && text.find(']', open + 2) == std::string::npos)
            throw line_error(
                fmt::format("the glob '{}' has a [ without its ]; a name with [ in it is quoted", text));
        return {pattern::kind::glob, text, nullptr};
    }

    pattern parse_prefixed(const std::string& prefix, const std::string& rest) const {
        if (prefix == "uuid") {
            if (const auto uuid = parse_uuid(rest))
                return {pattern::kind::uuid, *uuid, nullptr};
            throw line_error(fmt::format(
                "'{}' is no UUID: one looks like uuid:6c1a7c2e-0d4c-4a6e-9f43-5b1d2c3e4f50", rest));
        }
        if (prefix == "group") {
            if (const auto found = groups_.find(rest); found != groups_.end())
                return {pattern::kind::group, rest, found->second};
            throw line_error(fmt::format(
                "there is no group '{}' above this line: define it with 'group {} = NAME NAME ...'", rest,
                rest));
        }
        throw line_error(
            fmt::format("'{}:' means nothing: uuid: and group: do; a name with : in it is quoted", prefix));
    }

    void parse_rule(bool allow, word_queue& words) {
        rule made{.allow = allow,
                  .from = parse_pattern(words.take("a domain")),
                  .to = {},
                  .both = false,
                  .ports = port_set::all(),
                  .line = line_};
        const word& arrow = words.take("-> or <->");
        if (!arrow.is("->") && !arrow.is("<->"))
            throw line_error(fmt::format("'{}' stands where -> or <-> is expected", arrow.text));
        made.both = arrow.is("<->");
        made.to = parse_pattern(words.take("a domain"));
        if (!words.empty()) {
            const word& keyword = words.take("port");
            if (!keyword.is("port") && !keyword.is("ports"))
                throw line_error(
                    fmt::format("'{}' stands where 'port N', 'ports LIST' or the end of the line is "
                                "expected",
                                keyword.text));
            made.ports = parse_port_set(words.take("a port").text);
            if (const std::string why = too_many_for_a_link(made.ports); !why.empty())
                throw line_error(why);
            words.expect_end("a rule ends after its ports, which are one word as in 22,1000-2000");
        }
        policy_.rules.push_back(std::move(made));
    }

    void parse_group(word_queue& words) {
        const word name = words.take("the group's name");
        if (name.quoted || name.text.find_first_of(":,=*?[") != std::string::npos)
            throw line_error(
                fmt::format("'{}' is no name for a group: letters, digits, - and _ are", name.text));
        if (groups_.contains(name.text))
            throw line_error(fmt::format("the group '{}' is defined above already", name.text));
        if (!words.take("=").is("="))
            throw line_error(fmt::format(
                "after the group's name = is expected, as in 'group {} = NAME NAME ...'", name.text));
        auto list = std::make_shared<std::vector<pattern>>();
        do {
            word member = words.take("a member of the group");
            if (!member.quoted && member.text.size() > 1 && member.text.back() == ',')
                member.text.pop_back();
            list->push_back(parse_pattern(member));
        } while (!words.empty());
        groups_.emplace(name.text, std::move(list));
    }

    void parse_limit(word_queue& words) {
        limit_line made{.who = parse_pattern(words.take("a domain")), .most = {}};
        do {
            const word& what = words.take("connections or memory");
            if (what.is("connections") && !made.most.connections) {
                constexpr std::uint32_t most = 1'000'000;
                const std::string& text = words.take("a number of connections").text;
                made.most.connections = parse_number<std::uint32_t>(text);
                if (!made.most.connections || *made.most.connections < 1 || *made.most.connections > most)
                    throw line_error(
                        fmt::format("'{}' is no number of connections: 1 to {} is wanted", text, most));
            } else if (what.is("memory") && !made.most.memory) {
                made.most.memory = parse_memory(words.take("an amount of memory").text);
            } else {
                throw line_error(
                    fmt::format("'{}' stands where 'connections N' or 'memory SIZE' is expected, once "
                                "each",
                                what.text));
            }
        } while (!words.empty());
        policy_.limit_lines.push_back(std::move(made));
    }

    void parse_pin(word_queue& words) {
        pin made{.who = parse_pattern(words.take("a domain")), .cid = 0, .line = line_};
        if (made.who.is == pattern::kind::dom0)
            throw line_error("the CID of dom0 is always 2");
        if (made.who.is != pattern::kind::name && made.who.is != pattern::kind::uuid)
            throw line_error("a CID is for one domain: NAME or uuid:UUID is wanted here");
        const std::string& text = words.take("a CID").text;
        const auto cid = parse_number<std::uint32_t>(text);
        if (!cid || *cid < first_cid || *cid > last_cid)
            throw line_error(
                fmt::format("'{}' is no CID for a domain: {} to {} is wanted", text, first_cid, last_cid));
        words.expect_end("the line is 'cid DOMAIN N'");
        made.cid = *cid;
        for (const pin& other : policy_.pins) {
            if (other.cid == made.cid)
                throw line_error(fmt::format("line {} gives the CID {} already", other.line, made.cid));
            if (other.who.is == made.who.is && other.who.text == made.who.text)
                throw line_error(fmt::format("line {} gives this domain a CID already", other.line));
        }
        policy_.pins.push_back(std::move(made));
    }

    policy policy_;
    std::map<std::string, members> groups_;
    unsigned line_ = 0;
};

} // namespace

policy_error::policy_error(std::vector<std::string> problems)
    : std::runtime_error(fmt::format("{}", fmt::join(problems, "\n"))), problems_(std::move(problems)) {}

policy parse_policy(std::string_view text, const std::string& file) {
    parser reader;
    std::vector<std::string> problems;
    unsigned line = 0;
    for (std::size_t begin = 0; begin < text.size();) {
        const std::size_t end = std::min(text.find('\n', begin), text.size());
        ++line;
        try {
            reader.parse_line(text.substr(begin, end - begin), line);
        } catch (const std::runtime_error& error) {
            problems.push_back(fmt::format("{}:{}: {}", file, line, error.what()));
        }
        begin = end + 1;
    }
    if (!problems.empty())
        throw policy_error(std::move(problems));
    return reader.take();
}

std::string read_policy_text(const std::string& file) {
    const auto fail = [&] { throw policy_error({fmt::format("{}: {}", file, std::strerror(errno))}); };
    errno = 0;
    std::ifstream in(file, std::ios::binary);
    if (!in)
        fail();
    std::ostringstream text;
    if (in.peek() != std::ifstream::traits_type::eof())
        text << in.rdbuf();
    if (in.bad() || !text || errno == EISDIR)
        fail();
    return text.str();
}

policy read_policy(const std::string& file) {
    return parse_policy(read_policy_text(file), file);
}

} // namespace xvsock::peer
