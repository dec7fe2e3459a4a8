# SPDX-License-Identifier: Apache-2.0
# Pretty-printers for gdb: vocabulary types, capability words and capability spaces as people read them, and a command
# that lists the capabilities of a domain. `./bulkhead run --gdb` prints the line that loads this file.
import gdb
import gdb.printing

# include/abi/capability.hpp, CapabilityWord; kernel/capability/object_table.hpp, entries. tests/unit/tools/gdb.cpp
# compares them with the kernel's own.
CAPABILITY_FIELDS = {"Index": (0, 22), "Generation": (22, 22), "RightsField": (44, 12), "Type": (56, 6)}
ENTRY_FIELDS = {"Location": (0, 42), "Generation": (42, 22)}
OBJECT_TYPES = ["none", "Domain", "Thread", "Vcpu", "SchedulingContext", "Portal", "Notification", "MemoryObject",
                "VirtualInterrupt", "Doorbell", "Interrupt", "PortRange", "DeviceSpace", "Machine"]
SHOWN_SLOTS = 64


def field(word, fields, name):
    low, width = fields[name]
    return (word >> low) & ((1 << width) - 1)


def integer(value):
    """An integer out of a plain one or a std::atomic."""
    value_type = value.type.strip_typedefs()
    if value_type.code == gdb.TYPE_CODE_STRUCT:
        # std::atomic<T> of libstdc++: _M_i, in a base class for integers.
        for member in value_type.fields():
            if member.is_base_class:
                return integer(value[member])
        return int(value["_M_i"])
    return int(value)


def capability_text(word):
    if word == 0:
        return "empty"
    kind = field(word, CAPABILITY_FIELDS, "Type")
    name = OBJECT_TYPES[kind] if kind < len(OBJECT_TYPES) else "type %d" % kind
    return "%s, object %d generation %d, rights %#x" % (
        name, field(word, CAPABILITY_FIELDS, "Index"), field(word, CAPABILITY_FIELDS, "Generation"),
        field(word, CAPABILITY_FIELDS, "RightsField"))


def object_address(word):
    """The address of the object a capability word names, or None if the word is empty or stale."""
    entries = gdb.parse_and_eval("object_table_entries")
    entry = integer((entries + field(word, CAPABILITY_FIELDS, "Index")).dereference())
    if word == 0 or field(entry, ENTRY_FIELDS, "Generation") != field(word, CAPABILITY_FIELDS, "Generation"):
        return None
    address = field(entry, ENTRY_FIELDS, "Location") << 6
    return address | 0xffff000000000000 if address >> 47 else address


class AddressPrinter:
    """bulkhead::Address<Space>: the space and the number."""

    def __init__(self, value):
        self.value = value

    def to_string(self):
        space = str(self.value.type.strip_typedefs().template_argument(0)).split("::")[-1]
        return "%s:%#x" % (space.replace("Space", "").replace("Tag", ""), int(self.value["value_"]))


class RangePrinter:
    """bulkhead::Range: the half-open interval and its size."""

    def __init__(self, value):
        self.value = value

    def to_string(self):
        start, size = int(self.value["start_"]), int(self.value["size_"])
        return "empty at %#x" % start if size == 0 else "[%#x, %#x) %#x bytes" % (start, start + size, size)


class ResultPrinter:
    """bulkhead::Result<T, E>: the value, or the error."""

    def __init__(self, value):
        self.value = value

    def to_string(self):
        if not bool(self.value["ok_"]):
            return "error %s" % self.value["error_"]
        if self.value.type.strip_typedefs().template_argument(0).code == gdb.TYPE_CODE_VOID:
            return "ok"
        return "ok: %s" % self.value["value_"]


class StaticVectorPrinter:
    """bulkhead::StaticVector<T, Capacity>: what is in it."""

    def __init__(self, value):
        self.value = value

    def to_string(self):
        item = self.value["items_"].type
        capacity = item.range()[1] + 1
        return "StaticVector of %d, room for %d" % (int(self.value["size_"]), capacity)

    def children(self):
        for index in range(int(self.value["size_"])):
            yield "[%d]" % index, self.value["items_"][index]

    def display_hint(self):
        return "array"


class IntrusiveListPrinter:
    """bulkhead::IntrusiveList<T, Hook>: pointers to its elements, in order. Damage ends the walk, with a word."""

    LIMIT = 1000

    def __init__(self, value):
        self.value = value

    def owners(self):
        head = self.value["head_"]
        start = head.address
        hook = head["next_"]
        while start is not None and hook != start and int(hook) != 0:
            owner = hook["owner_"]
            if int(owner) == 0:
                return
            yield owner
            hook = hook["next_"]

    def to_string(self):
        count = 0
        for _ in self.owners():
            count += 1
            if count == self.LIMIT:
                return "IntrusiveList of %d or more" % count
        return "IntrusiveList of %d" % count

    def children(self):
        for index, owner in enumerate(self.owners()):
            if index == self.LIMIT:
                return
            yield "[%d]" % index, owner

    def display_hint(self):
        return "array"


class CapabilitySpacePrinter:
    """bulkhead::kernel::CapabilitySpace: the slots that are filled."""

    def __init__(self, value):
        self.value = value

    def words(self):
        slots = self.value["slots_"]
        for index in range(int(self.value["slot_count_"])):
            word = integer((slots + index).dereference())
            if word != 0:
                yield index, word

    def to_string(self):
        return "CapabilitySpace of %d slots" % int(self.value["slot_count_"])

    def children(self):
        for shown, (index, word) in enumerate(self.words()):
            if shown == SHOWN_SLOTS:
                yield "more", "..."
                return
            yield "[%d]" % index, capability_text(word)

    def display_hint(self):
        return "array"


class Capabilities(gdb.Command):
    """bulkhead-capabilities SPACE: every filled slot of a capability space, with the object's address.
SPACE is an expression for a bulkhead::kernel::CapabilitySpace, such as `domain->capabilities_`."""

    def __init__(self):
        super().__init__("bulkhead-capabilities", gdb.COMMAND_DATA, gdb.COMPLETE_EXPRESSION)

    def invoke(self, argument, from_tty):
        for index, word in CapabilitySpacePrinter(gdb.parse_and_eval(argument)).words():
            address = object_address(word)
            where = "stale" if address is None else "%#x" % address
            print("%5d  %s  %s" % (index, where, capability_text(word)))


class CapabilityWordFunction(gdb.Function):
    """$bulkhead_capability(WORD): a capability word as text."""

    def __init__(self):
        super().__init__("bulkhead_capability")

    def invoke(self, word):
        return capability_text(integer(word))


def register():
    printers = gdb.printing.RegexpCollectionPrettyPrinter("bulkhead")
    printers.add_printer("Address", r"^bulkhead::Address<.*>$", AddressPrinter)
    printers.add_printer("Range", r"^bulkhead::Range$", RangePrinter)
    printers.add_printer("Result", r"^bulkhead::Result<.*>$", ResultPrinter)
    printers.add_printer("StaticVector", r"^bulkhead::StaticVector<.*>$", StaticVectorPrinter)
    printers.add_printer("IntrusiveList", r"^bulkhead::IntrusiveList<.*>$", IntrusiveListPrinter)
    printers.add_printer("CapabilitySpace", r"^bulkhead::kernel::CapabilitySpace$", CapabilitySpacePrinter)
    gdb.printing.register_pretty_printer(None, printers, replace=True)
    Capabilities()
    CapabilityWordFunction()


register()
