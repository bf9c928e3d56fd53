// SPDX-License-Identifier: MIT
#include "host/scenario.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <limits>
#include <optional>
#include <regex>
#include <set>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/stream_parser.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "host/argo_xen.hpp"
#include "host/debug_kernel.hpp"
#include "host/failure.hpp"
#include "host/suites.hpp"

namespace fs = std::filesystem;
namespace json = boost::json;

namespace xvsock::testbed {

namespace {

constexpr int max_guests = 16;

// One object of the document: takes its keys one by one and refuses those that nobody took.
class object_reader {
public:
    object_reader(const json::object& object, std::string where)
        : object_(object), where_(std::move(where)) {}

    [[noreturn]] void refuse(const std::string& key, const std::string& wanted) const {
        throw failure(exit_usage, fmt::format("{}: \"{}\" is {}, it must be {}", where_, key,
                                              json::serialize(object_.at(key)), wanted));
    }

    const json::value* find(const std::string& key) {
        known_.insert(key);
        return object_.if_contains(key);
    }

    void number(const std::string& key, int& target, int least, int most) {
        const auto* value = find(key);
        if (value == nullptr)
            return;
        if (!value->is_int64() || value->get_int64() < least || value->get_int64() > most)
            refuse(key, fmt::format("a whole number from {} to {}", least, most));
        target = static_cast<int>(value->get_int64());
    }

    void flag(const std::string& key, bool& target) {
        if (const auto* value = find(key)) {
            if (!value->is_bool())
                refuse(key, "true or false");
            target = value->get_bool();
        }
    }

    void text(const std::string& key, std::string& target, const char* wanted = "a string") {
        if (const auto* value = find(key)) {
            if (!value->is_string())
                refuse(key, wanted);
            target = value->get_string().c_str();
        }
    }

    void texts(const std::string& key, std::vector<std::string>& target,
               const char* wanted = "a list of strings") {
        const auto* value = find(key);
        if (value == nullptr)
            return;
        if (!value->is_array())
            refuse(key, wanted);
        target.clear();
        for (const auto& element : value->get_array()) {
            if (!element.is_string())
                refuse(key, wanted);
            target.emplace_back(element.get_string().c_str());
        }
    }

    void finish() const {
        for (const auto& member : object_)
            if (const std::string key = member.key(); !known_.contains(key))
                throw failure(exit_usage, fmt::format("{}: unknown key \"{}\"; known are {}", where_, key,
                                                      fmt::join(known_, ", ")));
    }

    [[nodiscard]] const std::string& where() const { return where_; }

private:
    const json::object& object_;
    std::string where_;
    std::set<std::string> known_;
};

json::value parse_setting(const std::string& text) {
    boost::system::error_code error;
    auto value = json::parse(text, error);
    return error ? json::value(text) : value; // what is no JSON is meant as a string
}

json::object read_document(const fs::path& file) {
    if (!fs::exists(file))
        return {};
    std::ifstream in(file);
    if (!in)
        throw failure(exit_usage, fmt::format("cannot read {}", file.string()));
    json::stream_parser parser;
    std::string line;
    for (int number = 1; std::getline(in, line); ++number) {
        boost::system::error_code error;
        parser.write(line + "\n", error);
        if (error)
            throw failure(exit_usage,
                          fmt::format("{}:{}: this is no JSON: {}", file.string(), number, error.message()));
    }
    boost::system::error_code error;
    parser.finish(error);
    if (error)
        throw failure(exit_usage, fmt::format("{}: this is no JSON: {}", file.string(), error.message()));
    auto document = parser.release();
    if (!document.is_object())
        throw failure(exit_usage, fmt::format("{}: the document must be an object, {{...}}", file.string()));
    return document.as_object();
}

void apply(json::object& document, const std::string& key, const std::string& value) {
    auto* object = &document;
    std::size_t start = 0;
    for (auto dot = key.find('.'); dot != std::string::npos; start = dot + 1, dot = key.find('.', start)) {
        auto& inner = (*object)[key.substr(start, dot - start)];
        if (inner.is_null())
            inner = json::object{};
        if (!inner.is_object())
            throw failure(exit_usage,
                          fmt::format("--set {}: \"{}\" is not an object", key, key.substr(0, dot)));
        object = &inner.as_object();
    }
    (*object)[key.substr(start)] = parse_setting(value);
}

class scenario_reader {
public:
    scenario_reader(fs::path folder, const json::object& document)
        : reader_(document, (folder / "scenario.json").string()) {
        result_.folder = std::move(folder);
    }

    scenario read() {
        suite();
        kernel();
        if (const auto* value = reader_.find("timeout")) {
            if (!value->is_number() || value->to_number<double>() <= 0)
                reader_.refuse("timeout", "a number of seconds above 0");
            result_.timeout = value->to_number<double>();
        }
        reader_.number("cpus", result_.cpus, 1, 64);
        reader_.text("description", result_.description);
        reader_.texts("programs", result_.programs);
        reader_.text("kernel_args", result_.kernel_args);
        reader_.text("xen_args", result_.xen_args);
        hypervisor();
        packages(reader_, "packages", result_.packages);
        reader_.texts("kernel_modules", result_.kernel_modules);
        reader_.flag("configured", result_.configured);
        reader_.flag("module", result_.module);
        reader_.text("module_options", result_.module_options);
        dom0();
        guests();
        links();
        environment();
        names("wait_for", result_.wait_for);
        expectations();
        reader_.finish();
        if (result_.kernel == debug_kernel)
            allow_for_debugging();
        return std::move(result_);
    }

private:
    void kernel() {
        constexpr auto wanted = R"("suite" or "debug")";
        reader_.text("kernel", result_.kernel, wanted);
        if (result_.kernel != suite_kernel && result_.kernel != debug_kernel)
            reader_.refuse("kernel", wanted);
    }

    void hypervisor() {
        constexpr auto wanted = R"("suite" or, with the suite bookworm, "argo")";
        reader_.text("hypervisor", result_.hypervisor, wanted);
        const bool argo = result_.hypervisor == argo_hypervisor;
        if (argo ? result_.suite != "bookworm" : result_.hypervisor != suite_hypervisor)
            reader_.refuse("hypervisor", wanted);
        if (argo)
            result_.xen_args = fmt::format("{} {}", argo_xen_args, result_.xen_args);
    }

    // What a domain needs more of under the debug kernel, and what it says that is judged elsewhere.
    void allow_for_debugging() {
        result_.timeout *= debug_kernel_slowness;
        result_.dom0_memory = std::max(result_.dom0_memory, debug_dom0_memory);
        for (auto& guest : result_.guests)
            guest.plan.memory = std::max(guest.plan.memory, debug_guest_memory);
        // The agents look at the leaks themselves.
        result_.expect_console.emplace_back("kmemleak: [0-9]+ new suspected memory leaks");
    }

    void suite() {
        reader_.text("suite", result_.suite);
        if (!is_image_suite(result_.suite))
            reader_.refuse("suite", "one of " + image_suite_names());
    }

    static void packages(object_reader& reader, const std::string& key, std::vector<std::string>& target) {
        static const std::regex name("[a-z0-9][a-z0-9+.:-]+");
        constexpr auto wanted = "a list of names of Debian packages";
        reader.texts(key, target, wanted);
        for (const auto& package : target)
            if (!std::regex_match(package, name))
                reader.refuse(key, wanted);
    }

    // The script's path, or an empty one when there is none.
    fs::path script(object_reader& reader, const std::vector<std::string>& defaults) {
        if (const auto* value = reader.find("script")) {
            if (value->is_null())
                return {};
            std::string file;
            reader.text("script", file, "the name of a file in the scenario's folder, or null");
            auto path = result_.folder / file;
            if (!fs::is_regular_file(path))
                reader.refuse("script",
                              "the name of a file in the scenario's folder; there is no " + path.string());
            return path;
        }
        for (const auto& file : defaults)
            if (fs::is_regular_file(result_.folder / file))
                return result_.folder / file;
        return {};
    }

    void dom0() {
        static const json::object nothing;
        const auto* value = reader_.find("dom0");
        if (value != nullptr && !value->is_object())
            reader_.refuse("dom0", "an object");
        object_reader reader(value != nullptr ? value->as_object() : nothing, reader_.where() + ": dom0");
        reader.number("memory", result_.dom0_memory, 512, 65536);
        reader.number("vcpus", result_.dom0_vcpus, 1, 64);
        reader.flag("systemd", result_.dom0_systemd);
        packages(reader, "packages", result_.dom0_packages);
        reader.texts("artifacts", result_.dom0_artifacts);
        result_.dom0_script = script(reader, {"dom0.sh"});
        reader.finish();
    }

    void guests() {
        const auto* value = reader_.find("guests");
        static const json::value two = {{"count", 2}};
        if (value == nullptr)
            value = &two;
        if (value->is_object())
            counted_guests(value->as_object());
        else if (value->is_array())
            listed_guests(value->as_array());
        else
            reader_.refuse("guests",
                           "a list of guests, or an object with count, prefix, vcpus, memory, script");
        if (result_.guests.size() > max_guests)
            throw failure(exit_usage, fmt::format("{}: {} guests are too many, at most {}", reader_.where(),
                                                  result_.guests.size(), max_guests));
    }

    void counted_guests(const json::object& object) {
        object_reader reader(object, reader_.where() + ": guests");
        int count = 2;
        std::string prefix = "g";
        reader.number("count", count, 1, max_guests);
        reader.text("prefix", prefix);
        guest_description common;
        const auto common_script = guest(reader, common, {});
        for (int i = 1; i <= count; ++i) {
            auto one = common;
            one.plan.name = fmt::format("{}{}", prefix, i);
            if (!reader.find("script"))
                one.script = script(reader, {one.plan.name + ".sh", "guest.sh"});
            else
                one.script = common_script;
            add(std::move(one), reader.where());
        }
        reader.finish();
    }

    void listed_guests(const json::array& list) {
        for (std::size_t i = 0; i < list.size(); ++i) {
            const auto where = fmt::format("{}: guests[{}]", reader_.where(), i);
            if (!list[i].is_object())
                throw failure(exit_usage, fmt::format("{}: a guest must be an object", where));
            object_reader reader(list[i].as_object(), where);
            guest_description one;
            one.plan.name = fmt::format("g{}", i + 1);
            reader.text("name", one.plan.name);
            one.script = guest(reader, one, {one.plan.name + ".sh", "guest.sh"});
            reader.finish();
            add(std::move(one), where);
        }
    }

    fs::path guest(object_reader& reader, guest_description& one,
                   const std::vector<std::string>& default_scripts) {
        reader.number("vcpus", one.plan.vcpus, 1, 64);
        reader.number("memory", one.plan.memory, 96, 65536);
        reader.flag("may_die", one.plan.may_die);
        reader.flag("systemd", one.plan.systemd);
        reader.text("kernel_args", one.plan.kernel_args);
        reader.texts("extra_config", one.plan.extra_config);
        return script(reader, default_scripts);
    }

    void add(guest_description one, const std::string& where) {
        static const std::regex valid("[A-Za-z][A-Za-z0-9_-]{0,31}");
        const auto& name = one.plan.name;
        if (!std::regex_match(name, valid) || name == "dom0" || name == "host")
            throw failure(exit_usage,
                          fmt::format("{}: \"{}\" is no name for a guest: a letter, then up to 31 "
                                      "letters, digits, - or _; not dom0 nor host",
                                      where, name));
        if (has_guest(name))
            throw failure(exit_usage, fmt::format("{}: a second guest named {}", where, name));
        one.plan.has_script = !one.script.empty();
        result_.guests.push_back(std::move(one));
    }

    [[nodiscard]] bool has_guest(const std::string& name) const {
        return std::any_of(result_.guests.begin(), result_.guests.end(),
                           [&](const auto& guest) { return guest.plan.name == name; });
    }

    void links() {
        const auto* value = reader_.find("links");
        constexpr auto wanted = R"("all", "none" or a list of pairs of domains such as [["dom0", "g1"]])";
        const bool all = value == nullptr ? result_.module : *value == "all";
        if (all) {
            std::vector<std::string> domains{"dom0"};
            for (const auto& guest : result_.guests)
                domains.push_back(guest.plan.name);
            for (std::size_t i = 0; i < domains.size(); ++i)
                for (std::size_t j = i + 1; j < domains.size(); ++j)
                    result_.links.emplace_back(domains[i], domains[j]);
        } else if (value != nullptr && value->is_array()) {
            for (const auto& pair : value->get_array())
                result_.links.push_back(link(pair, wanted));
        } else if (value != nullptr && *value != "none") {
            reader_.refuse("links", wanted);
        }
    }

    std::pair<std::string, std::string> link(const json::value& pair, const char* wanted) {
        if (!pair.is_array() || pair.get_array().size() != 2 || !pair.at(0).is_string() ||
            !pair.at(1).is_string())
            reader_.refuse("links", wanted);
        std::pair<std::string, std::string> names{pair.at(0).get_string().c_str(),
                                                  pair.at(1).get_string().c_str()};
        for (const auto& name : {names.first, names.second})
            if (name != "dom0" && !has_guest(name))
                reader_.refuse("links", fmt::format("{}; there is no domain {}", wanted, name));
        if (names.first == names.second)
            reader_.refuse("links", fmt::format("{}; {} cannot be linked with itself", wanted, names.first));
        return names;
    }

    void environment() {
        const auto* value = reader_.find("env");
        if (value == nullptr)
            return;
        constexpr auto wanted = "an object of strings or numbers whose keys are names of variables";
        static const std::regex name("[A-Za-z_][A-Za-z0-9_]*");
        if (!value->is_object())
            reader_.refuse("env", wanted);
        for (const auto& member : value->get_object()) {
            const std::string key = member.key();
            if (!std::regex_match(key, name) || member.value().is_structured() || member.value().is_null())
                reader_.refuse("env", wanted);
            result_.environment.emplace_back(key, member.value().is_string()
                                                      ? member.value().get_string().c_str()
                                                      : json::serialize(member.value()));
        }
    }

    void names(const std::string& key, std::vector<std::string>& target) {
        constexpr auto wanted = "a list of domains of this scenario that have a script";
        reader_.texts(key, target, wanted);
        for (const auto& name : target) {
            const bool has_script =
                name == "dom0"
                    ? !result_.dom0_script.empty()
                    : std::any_of(result_.guests.begin(), result_.guests.end(), [&](const auto& guest) {
                          return guest.plan.name == name && guest.plan.has_script;
                      });
            if (!has_script)
                reader_.refuse(key, fmt::format("{}; {} is none", wanted, name));
        }
    }

    void expectations() {
        reader_.texts("expect_console", result_.expect_console, "a list of regular expressions");
        for (const auto& text : result_.expect_console) {
            try {
                std::regex compiled(text);
            } catch (const std::regex_error& error) {
                reader_.refuse("expect_console",
                               fmt::format("a list of regular expressions; {}: {}", text, error.what()));
            }
        }
    }

    object_reader reader_;
    scenario result_;
};

} // namespace

scenario shell_scenario(const std::vector<std::pair<std::string, std::string>>& settings) {
    json::object document;
    for (const auto& [key, value] : settings)
        apply(document, key, value);
    auto result = scenario_reader("shell", document).read();
    return result;
}

scenario load_scenario(const fs::path& folder,
                       const std::vector<std::pair<std::string, std::string>>& settings) {
    if (!fs::is_directory(folder))
        throw failure(exit_usage,
                      fmt::format("{} is no folder; give the folder of a scenario", folder.string()));
    auto document = read_document(folder / "scenario.json");
    for (const auto& [key, value] : settings)
        apply(document, key, value);
    auto result = scenario_reader(folder, document).read();
    const bool any_script =
        !result.dom0_script.empty() || std::any_of(result.guests.begin(), result.guests.end(),
                                                   [](const auto& guest) { return guest.plan.has_script; });
    if (!any_script)
        throw failure(exit_usage,
                      fmt::format("{}: there is no script to run: neither dom0.sh nor guest.sh nor one "
                                  "that scenario.json names",
                                  folder.string()));
    return result;
}

} // namespace xvsock::testbed
