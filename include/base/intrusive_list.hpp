// SPDX-License-Identifier: Apache-2.0
// A doubly linked list whose links live in the elements: no allocation, O(1) removal. Not synchronised: the list's
// owner says which lock or CPU protects it.
#pragma once

namespace bulkhead {

/// The links of one element in one list. An element in several lists has several hooks.
template <typename T>
class ListHook {
  public:
    constexpr ListHook() = default;
    ListHook(const ListHook&) = delete;
    ListHook& operator=(const ListHook&) = delete;
    bool linked() const { return next_ != nullptr; }

  private:
    template <typename U, ListHook<U> U::*>
    friend class IntrusiveList;

    T* owner_ = nullptr;
    ListHook* next_ = nullptr;
    ListHook* previous_ = nullptr;
};

template <typename T, ListHook<T> T::*Hook>
class IntrusiveList {
  public:
    constexpr IntrusiveList() { head_.next_ = head_.previous_ = &head_; }

    bool empty() const { return head_.next_ == &head_; }
    T* front() const { return head_.next_->owner_; }
    void push_back(T& element) { insert_before(nullptr, element); }
    void push_front(T& element) { insert_before(front(), element); }
    /// Inserts `element` right before `position`, which must be in this list; null is the end.
    void insert_before(T* position, T& element) {
        ListHook<T>& hook = element.*Hook;
        hook.owner_ = &element;
        hook.next_ = position != nullptr ? &(position->*Hook) : &head_;
        hook.previous_ = hook.next_->previous_;
        hook.previous_->next_ = hook.next_->previous_ = &hook;
    }
    /// Unlinks `element`, which must be in this list.
    static void remove(T& element) {
        ListHook<T>& hook = element.*Hook;
        hook.previous_->next_ = hook.next_;
        hook.next_->previous_ = hook.previous_;
        hook.next_ = hook.previous_ = nullptr;
        hook.owner_ = nullptr;
    }
    T* pop_front() {
        T* element = front();
        if (element != nullptr) remove(*element);
        return element;
    }
    /// The element behind `element`, or null at the end.
    static T* next(const T& element) { return (element.*Hook).next_->owner_; }

    struct Iterator {
        T* element;

        T& operator*() const { return *element; }
        void operator++() { element = next(*element); }
        bool operator==(const Iterator&) const = default;
    };
    Iterator begin() const { return {front()}; }
    Iterator end() const { return {nullptr}; }

  private:
    ListHook<T> head_;  // its owner is null, which front() and next() return at the ends
};

}  // namespace bulkhead
