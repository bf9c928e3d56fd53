// SPDX-License-Identifier: MIT
#include "common/plan.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value_from.hpp>
#include <boost/json/value_to.hpp>
#include <fmt/format.h>

namespace json = boost::json;

namespace xvsock::testbed {

namespace {

using pairs = std::vector<std::pair<std::string, std::string>>;

json::value guest_to_json(const guest_plan& guest) {
    return json::object{{"name", guest.name},
                        {"vcpus", guest.vcpus},
                        {"memory", guest.memory},
                        {"has_script", guest.has_script},
                        {"may_die", guest.may_die},
                        {"systemd", guest.systemd},
                        {"kernel_args", guest.kernel_args},
                        {"extra_config", json::value_from(guest.extra_config)}};
}

guest_plan guest_from_json(const json::object& object) {
    return {json::value_to<std::string>(object.at("name")),
            object.at("vcpus").to_number<int>(),
            object.at("memory").to_number<int>(),
            object.at("has_script").as_bool(),
            object.at("may_die").as_bool(),
            object.at("systemd").as_bool(),
            json::value_to<std::string>(object.at("kernel_args")),
            json::value_to<std::vector<std::string>>(object.at("extra_config"))};
}

} // namespace

std::string guest_address(std::size_t index) {
    return fmt::format("10.77.0.{}", 11 + index);
}

json::value to_json(const run_plan& plan) {
    json::array guests;
    for (const auto& guest : plan.guests)
        guests.push_back(guest_to_json(guest));
    return json::object{{"mode", plan.mode},
                        {"accelerator", plan.accelerator},
                        {"module", plan.module},
                        {"module_options", plan.module_options},
                        {"debug_kernel", plan.debug_kernel},
                        {"slowness", plan.slowness},
                        {"interactive", plan.interactive},
                        {"dom0_script", plan.dom0_script},
                        {"dom0_systemd", plan.dom0_systemd},
                        {"guests", guests},
                        {"links", json::value_from(plan.links)},
                        {"environment", json::value_from(plan.environment)},
                        {"wait_for", json::value_from(plan.wait_for)}};
}

run_plan plan_from_json(const json::value& document) {
    const auto& object = document.as_object();
    run_plan plan;
    plan.mode = json::value_to<std::string>(object.at("mode"));
    plan.accelerator = json::value_to<std::string>(object.at("accelerator"));
    plan.module = object.at("module").as_bool();
    plan.module_options = json::value_to<std::string>(object.at("module_options"));
    plan.debug_kernel = object.at("debug_kernel").as_bool();
    plan.slowness = object.at("slowness").to_number<int>();
    plan.interactive = object.at("interactive").as_bool();
    plan.dom0_script = object.at("dom0_script").as_bool();
    plan.dom0_systemd = object.at("dom0_systemd").as_bool();
    for (const auto& guest : object.at("guests").as_array())
        plan.guests.push_back(guest_from_json(guest.as_object()));
    plan.links = json::value_to<pairs>(object.at("links"));
    plan.environment = json::value_to<pairs>(object.at("environment"));
    plan.wait_for = json::value_to<std::vector<std::string>>(object.at("wait_for"));
    return plan;
}

} // namespace xvsock::testbed
