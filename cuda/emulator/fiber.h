// A fiber: one emulated CUDA thread with a stack of its own, resumed and left by hand.
// Address and thread sanitizers are told of every switch where they are linked in.
#pragma once
#include <cstddef>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace emulator {

class Fiber {
 public:
  Fiber();
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // Prepares the fiber to run entry() from its beginning; whatever it ran before is dropped. entry must not return: it leaves.
  void start(void (*entry)());
  // From the scheduler: runs the fiber until it leaves.
  void resume();
  // From inside the fiber: back to whoever resumed it.
  void leave();
  // From inside the fiber, first thing in entry.
  void entered();

 private:
  char* stack_;  // lowest byte, after a guard page
  void* tsan_;   // ThreadSanitizer's handle
  void* tsan_resumer_ = nullptr;
  void* asan_fake_stack_ = nullptr;
  const void* resumer_stack_ = nullptr;
  size_t resumer_size_ = 0;
#if defined(__x86_64__)
  void* context_ = nullptr;
  void* resumer_ = nullptr;
#else
  ucontext_t context_, resumer_;
#endif
};

}  // namespace emulator
