// SPDX-License-Identifier: MIT
#include "remote_end.hpp"

#include <csignal>
#include <stdexcept>

#include <gtest/gtest.h>

#include "stream_test.hpp"

namespace xvsock::guest {

remote_end::remote_end() : control_(make_socket()) {
    const int error = connect_patiently(control_.get(), service::remote);
    if (error != 0)
        throw std::system_error(error, std::generic_category(), "connecting to service::remote");
    pid_ = run(remote_op::pid).result;
}

void remote_end::begin(remote_op op, const remote_arguments& arguments) {
    const remote_command command{.op = op,
                                 .slot = arguments.slot,
                                 .size = arguments.size,
                                 .position = arguments.position,
                                 .number = arguments.number};
    if (!send_all(control_.get(), &command, sizeof command))
        throw std::runtime_error("the remote end is gone");
}

remote_answer remote_end::finish() {
    remote_answer answer{};
    if (receive_all(control_.get(), &answer, sizeof answer) != sizeof answer)
        throw std::runtime_error("the remote end does not answer");
    return answer;
}

std::uint32_t remote_end::listen(int backlog, std::uint32_t slot) {
    const auto answer = run(remote_op::listen, {.slot = slot, .number = backlog});
    EXPECT_GT(answer.result, 0) << "listening: " << std::strerror(answer.error);
    return static_cast<std::uint32_t>(answer.result);
}

void remote_end::accept(std::uint32_t slot, std::uint32_t from) {
    const auto answer = run(remote_op::accept, {.slot = slot, .number = from});
    EXPECT_GE(answer.result, 0) << "accepting: " << std::strerror(answer.error);
}

void remote_end::send(std::uint64_t size, std::uint64_t position, std::uint32_t slot) {
    const auto answer = run(remote_op::send, {.slot = slot, .size = size, .position = position});
    EXPECT_EQ(answer.result, static_cast<std::int64_t>(size)) << "sending: " << std::strerror(answer.error);
}

void remote_end::expect(std::uint64_t size, std::uint64_t position, std::uint32_t slot) {
    const auto answer = run(remote_op::receive, {.slot = slot, .size = size, .position = position});
    EXPECT_EQ(answer.result, static_cast<std::int64_t>(size)) << "receiving: " << std::strerror(answer.error);
    EXPECT_EQ(answer.wrong, 0U) << "bytes that differ, from " << position << " on";
}

void remote_end::expect_rest(std::uint64_t size, std::uint64_t position, std::uint32_t slot) {
    const auto answer = run(remote_op::drain, {.slot = slot, .position = position});
    EXPECT_EQ(answer.result, static_cast<std::int64_t>(size));
    EXPECT_EQ(answer.error, 0) << "instead of an orderly end: " << std::strerror(answer.error);
    EXPECT_EQ(answer.wrong, 0U) << "bytes that differ, from " << position << " on";
}

void remote_end::shut(int how, std::uint32_t slot) {
    const auto answer = run(remote_op::shut, {.slot = slot, .number = how});
    EXPECT_EQ(answer.result, 0) << "shutting down: " << std::strerror(answer.error);
}

void remote_end::close(std::uint32_t slot) {
    run(remote_op::close, {.slot = slot});
}

void remote_end::die() {
    const auto answer =
        remote_end().run(remote_op::kill, {.position = static_cast<std::uint64_t>(pid_), .number = SIGKILL});
    EXPECT_EQ(answer.result, 0) << "killing: " << std::strerror(answer.error);
    char byte = 0;
    EXPECT_EQ(receive_all(control_.get(), &byte, 1), 0U) << "it has answered";
}

} // namespace xvsock::guest
