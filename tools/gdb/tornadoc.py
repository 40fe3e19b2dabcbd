"""What gdb does not know of by itself: coroutines that wait.

    (gdb) source tools/gdb/tornadoc.py
    (gdb) tc-coroutines              all that wait on the loop of the selected thread, each with its backtrace
    (gdb) tc-coroutines 3            the third alone
    (gdb) tc-coroutines -loop EXPR   on another loop

For a process that runs: a core's registers cannot be written, and so its suspended stacks not be walked this way. The library needs its
debugging information (-g). Coroutines that run are in the ordinary backtrace.
"""
import gdb

# Where src/coroutine/switch.S leaves a stack: register, and its place on it in words.
FRAMES = {
    "i386:x86-64": ("rsp", 8, [("r15", 1), ("r14", 2), ("r13", 3), ("r12", 4), ("rbx", 5), ("rbp", 6), ("rip", 7)]),
    "aarch64": ("sp", 22, [(f"x{19 + i}", i) for i in range(12)] + [("pc", 11)]),
}


def pointers(head, type_name, field):
    """The containers of an intrusive list."""
    container = gdb.lookup_type(type_name)
    offset = next(f.bitpos // 8 for f in container.fields() if f.name == field)
    node = head["next"]
    while node != head.address:
        address = int(node) - offset
        yield gdb.Value(address).cast(container.pointer())
        node = node["next"]


class Coroutines(gdb.Command):
    __doc__ = __doc__

    def __init__(self):
        super().__init__("tc-coroutines", gdb.COMMAND_STACK)

    def invoke(self, argument, _from_tty):
        words = gdb.string_to_argv(argument)
        loop = words[words.index("-loop") + 1] if "-loop" in words else "tc_ioloop_current()"
        wanted = [int(word) for word in words if word.isdigit()]
        home = gdb.parse_and_eval(f"((struct tc_ioloop *)({loop}))->p->coroutines")
        tasks = list(pointers(home.dereference()["tasks"], "struct tc__task", "node")) if int(home) else []
        running = int(gdb.parse_and_eval("(void *)tc__coroutine_current()"))
        for number, task in enumerate(tasks, 1):
            if wanted and number not in wanted:
                continue
            function = gdb.block_for_pc(int(task["fn"])) and gdb.block_for_pc(int(task["fn"])).function
            print(f"#{number} {function or hex(int(task['fn']))}({hex(int(task['arg']))})", end=" ")
            if int(task) == running:
                print("runs: see the backtrace")
            elif int(task["coroutine"]["resumer"]) == 0:
                print("has not begun")
            else:
                print("waits")
                self.backtrace(task["coroutine"]["here"]["context"]["sp"])
        if not tasks:
            print("no coroutines")

    @staticmethod
    def backtrace(sp):
        """With the registers of the stack that was left; then with those of before."""
        architecture = gdb.selected_frame().architecture().name()
        if architecture not in FRAMES:
            print(f"  (no backtrace: {architecture} is not known here)")
            return
        stack_register, size, saved = FRAMES[architecture]
        gdb.execute("frame 0", to_string=True)
        names = [stack_register] + [name for name, _ in saved]
        before = {name: int(gdb.parse_and_eval(f"(unsigned long)${name}")) for name in names}
        words = sp.cast(gdb.lookup_type("unsigned long").pointer())
        after = {name: int(words[place]) for name, place in saved}
        after[stack_register] = int(sp) + 8 * size
        try:
            for name, value in after.items():
                gdb.execute(f"set ${name} = {value}")
            gdb.execute("backtrace")
        finally:
            for name, value in before.items():
                gdb.execute(f"set ${name} = {value}")


Coroutines()
