#include "emulator/fiber.h"

#include <sys/mman.h>
#include <unistd.h>

#include <new>

// Present where a sanitizer is linked in. This file is never instrumented itself.
extern "C" {
__attribute__((weak)) void __sanitizer_start_switch_fiber(void** fake_stack, const void* bottom, size_t size);
__attribute__((weak)) void __sanitizer_finish_switch_fiber(void* fake_stack, const void** old_bottom, size_t* old_size);
__attribute__((weak)) void __asan_unpoison_memory_region(const volatile void* address, size_t size);
__attribute__((weak)) void* __tsan_get_current_fiber();
__attribute__((weak)) void* __tsan_create_fiber(unsigned flags);
__attribute__((weak)) void __tsan_destroy_fiber(void* fiber);
__attribute__((weak)) void __tsan_switch_to_fiber(void* fiber, unsigned flags);
}

namespace emulator {
namespace {

constexpr size_t kStackSize = 256 << 10;  // sanitizers make frames large; pages are committed when touched
constexpr unsigned kTsanNoSync = 1;       // a switch by itself orders nothing

size_t page_size() { return static_cast<size_t>(sysconf(_SC_PAGESIZE)); }

}  // namespace

#if defined(__x86_64__)
// Saves the registers that a function call preserves and the stack pointer, and takes up another context saved that way.
extern "C" void splatkit_switch_context(void** save, void* to);
asm(R"(.text
.globl splatkit_switch_context
.hidden splatkit_switch_context
.type splatkit_switch_context,@function
splatkit_switch_context:
 pushq %rbp
 pushq %rbx
 pushq %r12
 pushq %r13
 pushq %r14
 pushq %r15
 movq %rsp,(%rdi)
 movq %rsi,%rsp
 popq %r15
 popq %r14
 popq %r13
 popq %r12
 popq %rbx
 popq %rbp
 ret
.size splatkit_switch_context,.-splatkit_switch_context
)");
#endif

Fiber::Fiber() {
  void* memory = mmap(nullptr, kStackSize + page_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  mprotect(memory, page_size(), PROT_NONE);  // an overflowing stack faults instead of spoiling its neighbor
  stack_ = static_cast<char*>(memory) + page_size();
  tsan_ = __tsan_create_fiber ? __tsan_create_fiber(0) : nullptr;
}

Fiber::~Fiber() {
  if (tsan_ != nullptr) __tsan_destroy_fiber(tsan_);
  munmap(stack_ - page_size(), kStackSize + page_size());
}

void Fiber::start(void (*entry)()) {
  asan_fake_stack_ = nullptr;
  if (__asan_unpoison_memory_region) __asan_unpoison_memory_region(stack_, kStackSize);  // a dropped run left its frames marked
#if defined(__x86_64__)
  void** top = reinterpret_cast<void**>(stack_ + kStackSize);
  *--top = nullptr;  // entry finds the stack aligned as after a call
  *--top = reinterpret_cast<void*>(entry);
  for (int saved = 0; saved < 6; ++saved) *--top = nullptr;
  context_ = top;
#else
  getcontext(&context_);
  context_.uc_stack.ss_sp = stack_;
  context_.uc_stack.ss_size = kStackSize;
  context_.uc_link = nullptr;
  makecontext(&context_, entry, 0);
#endif
}

void Fiber::resume() {
  void* fake_stack = nullptr;
  if (__tsan_switch_to_fiber) {
    tsan_resumer_ = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(tsan_, kTsanNoSync);
  }
  if (__sanitizer_start_switch_fiber) __sanitizer_start_switch_fiber(&fake_stack, stack_, kStackSize);
#if defined(__x86_64__)
  splatkit_switch_context(&resumer_, context_);
#else
  swapcontext(&resumer_, &context_);
#endif
  if (__sanitizer_finish_switch_fiber) __sanitizer_finish_switch_fiber(fake_stack, nullptr, nullptr);
}

void Fiber::entered() {
  if (__sanitizer_finish_switch_fiber) __sanitizer_finish_switch_fiber(nullptr, &resumer_stack_, &resumer_size_);
}

void Fiber::leave() {
  if (__tsan_switch_to_fiber) __tsan_switch_to_fiber(tsan_resumer_, kTsanNoSync);
  if (__sanitizer_start_switch_fiber) __sanitizer_start_switch_fiber(&asan_fake_stack_, resumer_stack_, resumer_size_);
#if defined(__x86_64__)
  splatkit_switch_context(&context_, resumer_);
#else
  swapcontext(&context_, &resumer_);
#endif
  if (__sanitizer_finish_switch_fiber) __sanitizer_finish_switch_fiber(asan_fake_stack_, &resumer_stack_, &resumer_size_);
}

}  // namespace emulator
