#include "common/parallel.h"

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

namespace splatkit {
namespace {

struct Job {
  void (*body)(void*, int64_t, int64_t);
  void* context;
  int64_t n, grain;
  std::atomic<int64_t> next{0};

  void work() {
    for (;;) {
      const int64_t begin = next.fetch_add(grain, std::memory_order_relaxed);
      if (begin >= n) return;
      body(context, begin, begin + grain < n ? begin + grain : n);
    }
  }
};

void pause_briefly() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#else
  std::this_thread::yield();
#endif
}

class Pool {
 public:
  // Runs the job on the caller and up to threads - 1 workers. Workers that wake late find no chunk left: nobody waits for them.
  void run(Job& job, int threads) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      while (static_cast<int>(workers_) < threads - 1) {
        std::thread(&Pool::loop, this, workers_).detach();
        ++workers_;
      }
      job_ = &job;
      helpers_ = threads - 1;
      generation_.fetch_add(1, std::memory_order_release);
    }
    wake_.notify_all();
    job.work();
    std::unique_lock<std::mutex> lock(mutex_);
    job_ = nullptr;
    finished_.wait(lock, [&] { return active_ == 0; });
  }

  std::mutex busy;  // held for a whole run: one job at a time

 private:
  void loop(int index) {
    uint64_t seen = 0;
    for (;;) {
      for (int spin = 0; spin < kSpins && generation_.load(std::memory_order_acquire) == seen; ++spin) pause_briefly();
      Job* job = nullptr;
      {
        std::unique_lock<std::mutex> lock(mutex_);
        wake_.wait(lock, [&] { return generation_.load(std::memory_order_relaxed) != seen; });
        seen = generation_.load(std::memory_order_relaxed);
        if (job_ == nullptr || index >= helpers_) continue;
        job = job_;
        ++active_;
      }
      job->work();
      std::lock_guard<std::mutex> lock(mutex_);
      if (--active_ == 0) finished_.notify_one();
    }
  }

  static constexpr int kSpins = 2000;  // about 50 us: the gap between two loops of one training step
  std::mutex mutex_;
  std::condition_variable wake_, finished_;
  std::atomic<uint64_t> generation_{0};
  Job* job_ = nullptr;
  int workers_ = 0, helpers_ = 0, active_ = 0;
};

// Never deleted: detached workers may outlive static destruction. A forked child has no workers, so it starts a new pool.
Pool* pool = nullptr;
std::mutex pool_mutex;
thread_local bool inside_body = false;

Pool& the_pool() {
  std::lock_guard<std::mutex> lock(pool_mutex);
#if defined(__unix__) || defined(__APPLE__)
  static const int registered = pthread_atfork([] { pool_mutex.lock(); }, [] { pool_mutex.unlock(); },
                                               [] {
                                                 pool = nullptr;
                                                 inside_body = false;
                                                 pool_mutex.unlock();
                                               });
  (void)registered;
#endif
  if (pool == nullptr) pool = new Pool;
  return *pool;
}

struct Nested {
  void* context;
  void (*body)(void*, int64_t, int64_t);
};

void run_marked(void* context, int64_t begin, int64_t end) {
  const Nested& nested = *static_cast<Nested*>(context);
  inside_body = true;
  nested.body(nested.context, begin, end);
  inside_body = false;
}

void run_inline(int64_t n, int64_t grain, void (*body)(void*, int64_t, int64_t), void* context) {
  for (int64_t begin = 0; begin < n; begin += grain) body(context, begin, begin + grain < n ? begin + grain : n);
}

}  // namespace

void parallel_for_chunks(int64_t n, int64_t grain, int threads, void (*body)(void*, int64_t, int64_t), void* context) {
  if (grain < 1) grain = 1;
  const int64_t chunks = (n + grain - 1) / grain;
  if (chunks < threads) threads = static_cast<int>(chunks);
  if (threads <= 1 || inside_body) return run_inline(n, grain, body, context);
  Pool& workers = the_pool();
  std::unique_lock<std::mutex> busy(workers.busy, std::try_to_lock);
  if (!busy.owns_lock()) return run_inline(n, grain, body, context);
  Nested nested{context, body};
  Job job{run_marked, &nested, n, grain};
  workers.run(job, threads);
}

}  // namespace splatkit
