// SPDX-License-Identifier: Apache-2.0
// A doubly linked list whose links live in the elements: no allocation, O(1) removal. Not synchronised: the list's
// owner says which lock or CPU protects it.
#pragma once

#include <cstddef>

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
    IntrusiveList(const IntrusiveList&) = delete;
    IntrusiveList& operator=(const IntrusiveList&) = delete;

    bool empty() const { return head_.next_ == &head_; }
    T* front() const { return head_.next_->owner_; }
    void push_back(T& element) { insert(element, *head_.previous_, head_); }
    void push_front(T& element) { insert(element, head_, *head_.next_); }
    /// Inserts `element` right before `position`, which must be in this list; null is the end.
    void insert_before(T* position, T& element) {
        ListHook<T>& after = position != nullptr ? position->*Hook : head_;
        insert(element, *after.previous_, after);
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

    class Iterator {
      public:
        explicit Iterator(const ListHook<T>* hook) : hook_{hook} {}
        T& operator*() const { return *hook_->owner_; }
        Iterator& operator++() {
            hook_ = hook_->next_;
            return *this;
        }
        bool operator==(const Iterator&) const = default;

      private:
        const ListHook<T>* hook_;
    };
    Iterator begin() const { return Iterator{head_.next_}; }
    Iterator end() const { return Iterator{&head_}; }

  private:
    static void insert(T& element, ListHook<T>& before, ListHook<T>& after) {
        ListHook<T>& hook = element.*Hook;
        hook.owner_ = &element;
        hook.previous_ = &before;
        hook.next_ = &after;
        before.next_ = &hook;
        after.previous_ = &hook;
    }

    ListHook<T> head_;  // its owner is null, which front() and next() return at the ends
};

}  // namespace bulkhead
