/*
 * switch.S - the context switch, for x86-64 (System V) and aarch64 (AAPCS64).
 *
 *     void *tc__switch(void **save_sp, void *load_sp, void *value);
 *
 * Pushes what a call preserves, stores the stack pointer in *save_sp, takes load_sp for its own, pops the same and
 * returns `value` there. Both stacks look alike at that moment, so one set of CFI directives is true throughout, and a
 * debugger can walk either.
 *
 * tc__entry is where a new stack begins: it calls the function that tc__context_init put into a register, with the
 * value of the first switch. It says to unwinders that nothing lies behind it.
 *
 * The notes at the end: no executable stack; indirect branches are marked (IBT, BTI), but no shadow stack is claimed,
 * for that would have to be switched as well. So a program that links this runs without one.
 */
#if !defined(TC__UCONTEXT) && (defined(__x86_64__) || defined(__aarch64__))

#ifdef __APPLE__
#define SYMBOL(name) _##name
#else
#define SYMBOL(name) name
#endif

#ifdef __ELF__
#define FUNCTION(name)          \
    .globl SYMBOL(name);        \
    .hidden SYMBOL(name);       \
    .type SYMBOL(name), %function
#define END(name) .size SYMBOL(name), . - SYMBOL(name)
#else
#define FUNCTION(name)          \
    .globl SYMBOL(name);        \
    .private_extern SYMBOL(name)
#define END(name)
#endif

    .text

#ifdef __x86_64__

    .p2align 4
    FUNCTION(tc__switch)
SYMBOL(tc__switch):
    .cfi_startproc
    endbr64
    pushq %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbp, 0
    pushq %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbx, 0
    pushq %r12
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r12, 0
    pushq %r13
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r13, 0
    pushq %r14
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r14, 0
    pushq %r15
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r15, 0
    subq $8, %rsp
    .cfi_adjust_cfa_offset 8
    stmxcsr (%rsp)
    fnstcw 4(%rsp)

    movq %rsp, (%rdi)
    movq %rsi, %rsp

    ldmxcsr (%rsp)
    fldcw 4(%rsp)
    addq $8, %rsp
    .cfi_adjust_cfa_offset -8
    popq %r15
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r15
    popq %r14
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r14
    popq %r13
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r13
    popq %r12
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r12
    popq %rbx
    .cfi_adjust_cfa_offset -8
    .cfi_restore %rbx
    popq %rbp
    .cfi_adjust_cfa_offset -8
    .cfi_restore %rbp
    movq %rdx, %rax
    popq %rcx /* a jump, not a ret: the predictor of returns belongs to the other stack */
    .cfi_adjust_cfa_offset -8
    .cfi_register %rip, %rcx
    notrack jmp *%rcx
    .cfi_endproc
    END(tc__switch)

    .p2align 4
    FUNCTION(tc__entry)
SYMBOL(tc__entry):
    .cfi_startproc
    .cfi_undefined %rip
    xorl %ebp, %ebp
    movq %rax, %rdi
    call *%rbx
    ud2
    .cfi_endproc
    END(tc__entry)

#ifdef __ELF__
    .section .note.gnu.property, "a"
    .p2align 3
    .long 4, 16, 5
    .asciz "GNU"
    .long 0xc0000002, 4, 1, 0 /* x86 features: IBT only */
#endif

#else /* aarch64 */

    .p2align 4
    FUNCTION(tc__switch)
SYMBOL(tc__switch):
    .cfi_startproc
    hint #34 /* bti c */
    sub sp, sp, #176
    .cfi_adjust_cfa_offset 176
    stp x19, x20, [sp, #0]
    stp x21, x22, [sp, #16]
    stp x23, x24, [sp, #32]
    stp x25, x26, [sp, #48]
    stp x27, x28, [sp, #64]
    stp x29, x30, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    .cfi_rel_offset x19, 0
    .cfi_rel_offset x20, 8
    .cfi_rel_offset x21, 16
    .cfi_rel_offset x22, 24
    .cfi_rel_offset x23, 32
    .cfi_rel_offset x24, 40
    .cfi_rel_offset x25, 48
    .cfi_rel_offset x26, 56
    .cfi_rel_offset x27, 64
    .cfi_rel_offset x28, 72
    .cfi_rel_offset x29, 80
    .cfi_rel_offset x30, 88
    mrs x9, fpcr
    str x9, [sp, #160]

    mov x10, sp
    str x10, [x0]
    mov sp, x1

    ldr x10, [sp, #160]
    cmp x9, x10
    b.eq 1f
    msr fpcr, x10 /* slow, and hardly ever needed */
1:
    ldp x19, x20, [sp, #0]
    ldp x21, x22, [sp, #16]
    ldp x23, x24, [sp, #32]
    ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]
    ldp x29, x30, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    add sp, sp, #176
    .cfi_adjust_cfa_offset -176
    .cfi_restore x19
    .cfi_restore x20
    .cfi_restore x21
    .cfi_restore x22
    .cfi_restore x23
    .cfi_restore x24
    .cfi_restore x25
    .cfi_restore x26
    .cfi_restore x27
    .cfi_restore x28
    .cfi_restore x29
    .cfi_restore x30
    mov x0, x2
    ret
    .cfi_endproc
    END(tc__switch)

    .p2align 4
    FUNCTION(tc__entry)
SYMBOL(tc__entry):
    .cfi_startproc
    .cfi_undefined x30
    mov x29, xzr
    blr x19
    brk #1
    .cfi_endproc
    END(tc__entry)

#ifdef __ELF__
    .section .note.gnu.property, "a"
    .p2align 3
    .long 4, 16, 5
    .asciz "GNU"
    .long 0xc0000000, 4, 1, 0 /* aarch64 features: BTI only */
#endif

#endif

#endif

#if defined(__linux__) && defined(__ELF__)
    .section .note.GNU-stack, "", %progbits
#endif
