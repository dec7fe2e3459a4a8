// SPDX-License-Identifier: Apache-2.0
// Portal calls: what travels, within a domain and between two, and what is refused.
#include <cstring>

#include "abi/message.hpp"
#include "base/address.hpp"
#include "tests/system/framework/world.hpp"

namespace bulkhead::test {
namespace {

using runtime::Message;
using runtime::message_buffer;
using runtime::message_handler;
using runtime::Request;
using runtime::short_handler;
using runtime::ShortAnswer;
using runtime::Words;

ShortAnswer turn_around(uint64_t badge, uint32_t label, const Words& words) {
    return {label + 1, {words[3] + badge, words[2], words[1], words[0]}};
}

ShortAnswer stack_pointer(uint64_t /*badge*/, uint32_t /*label*/, const Words& /*words*/) {
    return {0, {reinterpret_cast<uint64_t>(__builtin_frame_address(0)), 0, 0, 0}};
}

void add_badge(uint64_t badge, Request& request) {
    for (uint64_t& word : request.words) word += badge;
    request.reply(request.label() + 1);
}

void stack_pointer_whole(uint64_t /*badge*/, Request& request) {
    request.words[0] = reinterpret_cast<uint64_t>(__builtin_frame_address(0));
    request.reply(0);
}

/// Replies with the buffer's words, each plus one.
void increment_buffer(uint64_t /*badge*/, Request& request) {
    for (uint16_t i = 0; i < request.buffer_words(); ++i) ++message_buffer().words[i];
    request.reply(request.buffer_words()).reply_buffer_words(request.buffer_words());
}

}  // namespace

SYSTEM_TEST(four_words_both_ways) {
    Handler handler = NEEDED(Handler::create(short_handler<turn_around>, 1000));
    const auto reply = call(handler.portal.selector(), 77, 1, 2, 3, 4);
    EXPECT_EQ(reply.status, Status::Ok);
    EXPECT_EQ(reply.label, 78u);
    EXPECT_EQ(reply.words[0], 1004u);
    EXPECT_EQ(reply.words[1], 3u);
    EXPECT_EQ(reply.words[2], 2u);
    EXPECT_EQ(reply.words[3], 1u);
    handler.destroy();
}

SYSTEM_TEST(nine_words_both_ways) {
    Handler handler = NEEDED(Handler::create(message_handler<add_badge>, 0x1'0000'0000'0001));
    Message message{0xffff'fffe};
    for (unsigned i = 0; i < abi::register_words; ++i) message.words[i] = uint64_t{i} << 32;
    EXPECT_OK(message.call(handler.portal.selector()));
    EXPECT_EQ(message.label(), 0xffff'ffffu);
    for (unsigned i = 0; i < abi::register_words; ++i) {
        EXPECT_EQ(message.words[i], (uint64_t{i} << 32) + 0x1'0000'0000'0001);
    }
    handler.destroy();
}

SYSTEM_TEST(handler_stack_does_not_drift) {
    Handler quick = NEEDED(Handler::create(short_handler<stack_pointer>));
    Handler whole = NEEDED(Handler::create(message_handler<stack_pointer_whole>));
    const uint64_t first_quick = call(quick.portal.selector(), 0).words[0];
    const uint64_t first_whole = call(whole.portal.selector(), 0).words[0];
    EXPECT_EQ(first_quick % 16, 0u);
    EXPECT_EQ(first_whole % 16, 0u);
    for (int i = 0; i < 100; ++i) {
        EXPECT_EQ(call(quick.portal.selector(), 0).words[0], first_quick);
        EXPECT_EQ(call(whole.portal.selector(), 0).words[0], first_whole);
    }
    quick.destroy();
    whole.destroy();
}

SYSTEM_TEST(callers_stack_and_frame_survive) {
    Handler handler = NEEDED(Handler::create(short_handler<turn_around>));
    abi::Registers registers;
    registers[abi::Register::Rax] = 0;
    registers[abi::Register::Rdi] = handler.portal.selector();
    raw_call(registers);  // RBP and RSP wrong would not come back here
    EXPECT_EQ(registers[abi::Register::Rax], uint64_t{1} << 32);
    // What the handler's registers held does not show: the words not used come back as they were sent, zero.
    for (const abi::Register index :
         {abi::Register::Rbx, abi::Register::R12, abi::Register::R13, abi::Register::R14, abi::Register::R15}) {
        EXPECT_EQ(registers[index], 0u);
    }
    handler.destroy();
}

SYSTEM_TEST(portals_are_checked) {
    Handler handler = NEEDED(Handler::create(short_handler<turn_around>));
    Notification notification = NEEDED(Notification::create());
    EXPECT_EQ(call(abi::null_selector, 0).status, Status::BadCapability);
    EXPECT_EQ(call(~Selector{0}, 0).status, Status::BadCapability);
    EXPECT_EQ(call(notification.selector(), 0).status, Status::WrongType);
    runtime::Portal bare{NEEDED(handler.portal.restricted(abi::PortalRight::Derive))};
    EXPECT_EQ(call(bare.selector(), 0).status, Status::MissingRight);
    EXPECT_EQ(call(handler.portal.selector(), 0).status, Status::Ok);
    const Selector stale = handler.portal.selector();
    EXPECT_OK(invoke(abi::Destroy{stale}));
    EXPECT_EQ(call(stale, 0).status, Status::BadCapability);
    EXPECT_EQ(call(bare.selector(), 0).status, Status::BadCapability);
    bare.forget();
    handler.destroy();
    EXPECT_OK(notification.destroy());
}

SYSTEM_TEST(derived_portals) {
    Handler handler = NEEDED(Handler::create(short_handler<turn_around>, 1));
    runtime::Portal derived = NEEDED(handler.portal.derive(100));
    runtime::Portal again = NEEDED(derived.derive(200));
    EXPECT_EQ(call(handler.portal.selector(), 0).words[0], 1u);
    EXPECT_EQ(call(derived.selector(), 0).words[0], 100u);
    EXPECT_EQ(call(again.selector(), 0).words[0], 200u);
    EXPECT_OK(derived.destroy());
    EXPECT_EQ(call(again.selector(), 0).status, Status::BadCapability);
    EXPECT_EQ(call(handler.portal.selector(), 0).status, Status::Ok);
    again.forget();
    handler.destroy();
}

SYSTEM_TEST(buffer_words) {
    Handler handler = NEEDED(Handler::create(message_handler<increment_buffer>));
    for (const uint16_t count : {uint16_t{1}, uint16_t{64}, uint16_t{abi::max_buffer_words}}) {
        for (uint16_t i = 0; i < abi::max_buffer_words; ++i) message_buffer().words[i] = i;
        Message message{0};
        message.with_buffer_words(count);
        EXPECT_OK(message.call(handler.portal.selector()));
        EXPECT_EQ(message.label(), uint32_t{count});
        EXPECT_EQ(message.buffer_words(), count);
        for (uint16_t i = 0; i < abi::max_buffer_words; ++i) {
            EXPECT_EQ(message_buffer().words[i], i < count ? i + 1u : i + 0u);
        }
    }
    for (const uint16_t count : {uint16_t{abi::max_buffer_words + 1}, uint16_t{1023}}) {
        Message message{0};
        message.with_buffer_words(count);
        EXPECT_STATUS(message.call(handler.portal.selector()), Status::BadBuffer);
    }
    handler.destroy();
}

SYSTEM_TEST(undefined_tag_bits_do_no_harm) {
    Handler handler = NEEDED(Handler::create(message_handler<increment_buffer>));
    for (unsigned bit = 8; bit < 32; ++bit) {
        abi::Registers registers;
        message_buffer().deadline = abi::no_deadline;
        registers[abi::Register::Rax] = uint64_t{1} << bit;
        registers[abi::Register::Rdi] = handler.portal.selector();
        raw_call(registers);
        const auto status = static_cast<Status>(registers[abi::Register::Rax] & 0xff);
        EXPECT(status == Status::Ok || status == Status::BadBuffer);
    }
    abi::Registers registers;
    registers[abi::Register::Rax] = 0xffff'ff00;
    registers[abi::Register::Rdi] = handler.portal.selector();
    raw_call(registers);
    EXPECT(static_cast<Status>(registers[abi::Register::Rax] & 0xff) != Status::Ok);
    EXPECT_EQ(call(handler.portal.selector(), 0).status, Status::Ok);
    handler.destroy();
}

namespace {
/// Tells in its words what came with the items, and sends the first one back with Wait only.
void take_items(uint64_t /*badge*/, Request& request) {
    const uint8_t count = request.items();
    uint64_t live = 0;
    uint64_t rights = 0;
    for (uint8_t i = 0; i < count; ++i) {
        const abi::CapabilityItem item = message_buffer().items[i];
        const auto inspected = invoke(abi::Inspect{item.selector});
        live += inspected.ok();
        if (i == 0) rights = inspected.ok() ? inspected.value().rights.value : 0xffff;
        if (i == 0 && item.rights != rights) rights = 0xeeee;
    }
    request.words[0] = count;
    request.words[1] = live;
    request.words[2] = rights;
    request.reply(0);
    if (count != 0) {
        message_buffer().items[0].rights = abi::NotificationRight::Wait;
        request.reply_items(1);
    }
}
}  // namespace

SYSTEM_TEST(capabilities_in_messages) {
    Handler handler = NEEDED(Handler::create(message_handler<take_items>));
    Notification notification = NEEDED(Notification::create());
    const Selector theirs = NEEDED(runtime::allocate_slots(8));
    const Selector mine = NEEDED(runtime::allocate_slots(8));
    abi::MessageBuffer& their_buffer = *handler.thread.block().message_buffer;
    const auto send = [&](uint8_t count, Selector selector, abi::Rights rights) {
        for (auto& item : message_buffer().items) item = {selector, rights, 0};
        message_buffer().receive_window = mine;
        message_buffer().receive_window_slots = 8;
        Message message{0};
        message.with_items(count);
        const auto status = status_of(message.call(handler.portal.selector()));
        EXPECT(status == Status::Ok || message.items() == 0);
        return status;
    };
    const auto clear = [&] {
        for (Selector i = 0; i < 8; ++i) {
            static_cast<void>(invoke(abi::RemoveCapability{self, theirs + i}));
            static_cast<void>(invoke(abi::RemoveCapability{self, mine + i}));
        }
    };
    const abi::Rights both = abi::NotificationRight::Signal | abi::NotificationRight::Wait;

    their_buffer.receive_window_slots = 0;
    EXPECT_EQ(send(1, notification.selector(), both), Status::BadBuffer);  // no window
    their_buffer.receive_window = theirs;
    their_buffer.receive_window_slots = 8;
    EXPECT_EQ(send(1, abi::null_selector, both), Status::BadBuffer);
    EXPECT_EQ(send(1, ~Selector{0}, both), Status::BadBuffer);
    EXPECT_EQ(send(9, notification.selector(), both), Status::BadBuffer);
    EXPECT_EQ(send(15, notification.selector(), both), Status::BadBuffer);
    EXPECT_STATUS(invoke(abi::Inspect{theirs}), Status::BadCapability);

    for (auto& item : message_buffer().items) item = {notification.selector(), both, 0};
    message_buffer().receive_window = mine;
    message_buffer().receive_window_slots = 8;
    Message message{0};
    message.with_items(8);
    EXPECT_OK(message.call(handler.portal.selector()));
    EXPECT_EQ(message.words[0], 8u);
    EXPECT_EQ(message.words[1], 8u);
    EXPECT_EQ(message.words[2], uint64_t{both});
    EXPECT_EQ(message.items(), 1u);
    EXPECT_EQ(message_buffer().items[0].selector, mine);
    EXPECT_EQ(NEEDED(invoke(abi::Inspect{mine})).rights.value, abi::NotificationRight::Wait);
    EXPECT_STATUS(invoke(abi::Signal{mine, 1}), Status::MissingRight);

    // The window is occupied now; with one slot of eight in use nothing is transferred.
    EXPECT_EQ(send(8, notification.selector(), both), Status::BadBuffer);
    clear();
    EXPECT_OK(notification.copy_to(self, theirs + 7));
    EXPECT_EQ(send(8, notification.selector(), both), Status::BadBuffer);
    EXPECT_STATUS(invoke(abi::Inspect{theirs}), Status::BadCapability);
    clear();
    // A window that lies outside the space.
    their_buffer.receive_window = ~Selector{0} - 3;
    EXPECT_EQ(send(8, notification.selector(), both), Status::BadBuffer);
    their_buffer.receive_window = theirs;
    // The reply's items find no window: the caller is told, the handler goes on.
    for (auto& item : message_buffer().items) item = {notification.selector(), both, 0};
    message_buffer().receive_window_slots = 0;
    Message no_window{0};
    no_window.with_items(1);
    EXPECT_STATUS(no_window.call(handler.portal.selector()), Status::BadBuffer);
    clear();
    EXPECT_EQ(send(1, notification.selector(), both), Status::Ok);
    clear();
    handler.destroy();
    EXPECT_OK(notification.destroy());
    runtime::release_slots(theirs, 8);
    runtime::release_slots(mine, 8);
}

namespace {
/// Data of the program, of which each domain has its own.
uint64_t own_counter = 5;

ShortAnswer count_in_child(uint64_t badge, uint32_t label, const Words& words) {
    ++own_counter;
    return {label, {own_counter, words[0] + words[1] + words[2] + words[3], badge, 0}};
}
}  // namespace

SYSTEM_TEST(calls_into_another_domain) {
    Child child = NEEDED(Child::create());
    runtime::Portal portal = NEEDED(child.create_portal(short_handler<count_in_child>, 9));
    for (uint64_t i = 0; i < 10; ++i) {
        const auto reply = call(portal.selector(), 3, 1, 2, 3, i);
        EXPECT_EQ(reply.status, Status::Ok);
        EXPECT_EQ(reply.label, 3u);
        EXPECT_EQ(reply.words[0], 6 + i);
        EXPECT_EQ(reply.words[1], 6 + i);
        EXPECT_EQ(reply.words[2], 9u);
    }
    EXPECT_EQ(own_counter, 5u);
    child.destroy();
    EXPECT_EQ(call(portal.selector(), 0).status, Status::BadCapability);
    portal.forget();
}

SYSTEM_TEST(buffer_and_items_into_another_domain) {
    Child child = NEEDED(Child::create());
    runtime::Portal portal = NEEDED(child.create_portal(message_handler<increment_buffer>));
    for (uint16_t i = 0; i < 100; ++i) message_buffer().words[i] = i * 3u;
    Message message{0};
    message.with_buffer_words(100);
    EXPECT_OK(message.call(portal.selector()));
    for (uint16_t i = 0; i < 100; ++i) EXPECT_EQ(message_buffer().words[i], i * 3u + 1);
    child.destroy();
    portal.forget();
}

}  // namespace bulkhead::test
