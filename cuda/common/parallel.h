// A thread pool for loops. No OpenMP: libgomp hangs in a forked child after one parallel region of its parent, and data loaders fork.
#pragma once
#include <cstdint>

namespace splatkit {

// Calls body(context, begin, end) for the chunks [k * grain, min((k + 1) * grain, n)). Chunk borders depend on n and grain alone, so a
// result that is reduced chunk by chunk in order has the same bits for any number of threads.
// The caller works too; a call from inside a body, or while another call runs, does all chunks itself. A body must not throw.
void parallel_for_chunks(int64_t n, int64_t grain, int threads, void (*body)(void* context, int64_t begin, int64_t end), void* context);

template <class Body>
void parallel_for(int64_t n, int64_t grain, int threads, const Body& body) {
  parallel_for_chunks(
      n, grain, threads, [](void* context, int64_t begin, int64_t end) { (*static_cast<const Body*>(context))(begin, end); },
      const_cast<Body*>(&body));
}

}  // namespace splatkit
