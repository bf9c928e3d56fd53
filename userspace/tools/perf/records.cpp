// SPDX-License-Identifier: MIT
#include "perf/records.hpp"

#include "perf/stream.hpp" // unique_fd

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <boost/json/stream_parser.hpp>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fmt/format.h>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <tuple>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace xvsock::perf {

namespace json = boost::json;

namespace {

/// Takes the members of one record out of a JSON object.
class member_reader {
public:
    member_reader(json::object object, std::string place)
        : object_(std::move(object)), place_(std::move(place)) {}

    std::string text(std::string_view name) {
        const json::value value = take(name, "a string");
        if (!value.is_string())
            refuse(name, "a string");
        return std::string(value.get_string());
    }

    double number(std::string_view name) {
        const json::value value = take(name, "a number");
        if (!value.is_number() || !std::isfinite(value.to_number<double>()))
            refuse(name, "a number");
        return value.to_number<double>();
    }

    std::uint64_t size(std::string_view name) {
        constexpr std::string_view wanted = "a whole number that is not negative";
        const json::value value = take(name, wanted);
        json::error_code error;
        const auto size = value.to_number<std::uint64_t>(error);
        if (!value.is_number() || error)
            refuse(name, wanted);
        return size;
    }

    json::object rest() && { return std::move(object_); }

private:
    json::value take(std::string_view name, std::string_view wanted) {
        const auto found = object_.find(name);
        if (found == object_.end())
            throw std::runtime_error(fmt::format("{}: '{}' is missing, must be {}", place_, name, wanted));
        json::value value = std::move(found->value());
        object_.erase(found);
        return value;
    }

    [[noreturn]] void refuse(std::string_view name, std::string_view wanted) const {
        throw std::runtime_error(fmt::format("{}: '{}' is not {}", place_, name, wanted));
    }

    json::object object_;
    std::string place_;
};

record to_record(const json::value& value, const std::string& place) {
    if (!value.is_object())
        throw std::runtime_error(place + ": not an object with path, metric, bytes, value, unit and mode");
    member_reader members(value.get_object(), place);
    record one;
    one.path = members.text("path");
    one.metric = members.text("metric");
    one.bytes = members.size("bytes");
    one.value = members.number("value");
    one.unit = members.text("unit");
    one.mode = members.text("mode");
    one.extra = std::move(members).rest();
    return one;
}

auto key_of(const record& one) {
    return std::tie(one.path, one.metric, one.bytes, one.unit, one.mode);
}

std::string quote(const std::string& text) {
    return json::serialize(json::string(text));
}

[[noreturn]] void fail_write(const std::filesystem::path& file, const char* step, int error) {
    throw std::runtime_error(fmt::format("cannot write {}: {}: {}; it was left as it was", file.string(),
                                         step, std::strerror(error)));
}

} // namespace

std::vector<record> parse_records(std::string_view text, std::string_view source) {
    // Fed with a reader instead of parse(), because it can say where the text breaks.
    json::stream_parser parser;
    json::error_code error;
    std::size_t good = parser.write_some(text.data(), text.size(), error);
    if (!error && text.find_first_not_of(" \t\r\n", good) != std::string_view::npos)
        error = json::error::extra_data;
    if (!error)
        parser.finish(error);
    if (error) {
        const auto line = 1 + std::count(text.begin(), text.begin() + std::ptrdiff_t(good), '\n');
        throw std::runtime_error(fmt::format("{}: line {}: not JSON: {}", source, line, error.message()));
    }
    const json::value root = parser.release();
    if (!root.is_array())
        throw std::runtime_error(fmt::format("{}: not a list of records", source));

    std::vector<record> records;
    for (const json::value& value : root.get_array())
        records.push_back(to_record(value, fmt::format("{}: record {}", source, records.size() + 1)));
    return records;
}

std::vector<record> read_records(const std::filesystem::path& file) {
    std::ifstream input(file, std::ios::binary);
    if (!input)
        throw std::runtime_error(fmt::format("cannot read {}: {}", file.string(), std::strerror(errno)));
    std::ostringstream text;
    text << input.rdbuf();
    // An empty file inserts nothing, which sets failbit on `text`; a folder or a bad disk sets badbit on
    // `input`.
    if (input.bad() || std::filesystem::is_directory(file))
        throw std::runtime_error(fmt::format("cannot read {}: not a readable file", file.string()));
    return parse_records(std::move(text).str(), file.string());
}

std::string format_records(const std::vector<record>& records) {
    std::string text = "[";
    for (const record& one : records) {
        text += &one == &records.front() ? "\n" : ",\n";
        text += fmt::format(
            R"(  {{"path": {}, "metric": {}, "bytes": {}, "value": {:.9g}, "unit": {}, "mode": {})",
            quote(one.path), quote(one.metric), one.bytes, one.value, quote(one.unit), quote(one.mode));
        for (const auto& member : one.extra)
            text +=
                fmt::format(", {}: {}", quote(std::string(member.key())), json::serialize(member.value()));
        text += "}";
    }
    return text + "\n]\n";
}

void merge_records(std::vector<record>& into, const std::vector<record>& added) {
    for (const record& one : added) {
        std::erase_if(into, [&](const record& old) { return key_of(old) == key_of(one); });
        into.push_back(one);
    }
}

std::filesystem::path check_record_file(const std::filesystem::path& file) {
    std::error_code error;
    auto target = std::filesystem::weakly_canonical(file, error);
    const auto folder = std::filesystem::absolute(target).parent_path();
    if (error || access(folder.c_str(), W_OK | X_OK) != 0)
        throw std::runtime_error(fmt::format("cannot write {}: its folder: {}", file.string(),
                                             error ? error.message() : std::strerror(errno)));
    if (std::filesystem::exists(target) && !std::filesystem::is_regular_file(target))
        throw std::runtime_error(fmt::format("cannot write {}: it is not a regular file", file.string()));
    return target;
}

void write_records(const std::filesystem::path& file, const std::vector<record>& records) {
    const auto target = check_record_file(file);
    const std::string text = format_records(records);
    std::string temporary = target.string() + ".XXXXXX"; // beside it: rename() cannot cross file systems
    const unique_fd fd(mkostemp(temporary.data(), O_CLOEXEC));
    if (fd.get() < 0)
        fail_write(file, "cannot make a temporary file beside it", errno);

    const auto give_up = [&](const char* step) {
        const int error = errno;
        unlink(temporary.c_str());
        fail_write(file, step, error);
    };
    for (std::size_t done = 0; done < text.size();) {
        const ssize_t written = write(fd.get(), text.data() + done, text.size() - done);
        if (written < 0 && errno != EINTR)
            give_up("cannot write the temporary file");
        done += written > 0 ? std::size_t(written) : 0;
    }
    struct stat old {};
    const mode_t mask = umask(0);
    umask(mask);
    const mode_t permissions = stat(target.c_str(), &old) == 0 ? old.st_mode & 0777 : 0666 & ~mask;
    if (fchmod(fd.get(), permissions) != 0 || fsync(fd.get()) != 0)
        give_up("cannot write the temporary file");
    if (rename(temporary.c_str(), target.c_str()) != 0)
        give_up("cannot rename the temporary file");
}

} // namespace xvsock::perf
