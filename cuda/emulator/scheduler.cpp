#include "emulator/scheduler.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include "emulator/fiber.h"

extern "C" {
__attribute__((weak)) void __tsan_acquire(void* address);
__attribute__((weak)) void __tsan_release(void* address);
}

namespace emulator {

ThreadIndices indices;

namespace {

enum class State { kReady, kAtBarrier, kAtWarpOperation, kReturned };

// Lanes that meet under one mask. Values are double-buffered: a lane may still read round k while others bring their values of k + 1;
// round k + 2 cannot begin before all have read k.
struct WarpGroup {
  uint32_t mask = 0, arrived = 0;
  unsigned round = 0, readers = 0;
  Place place = {nullptr, 0};
  alignas(16) unsigned char values[2][kWarpSize][kSlotSize];
};

struct Thread {
  Fiber fiber;
  State state = State::kReady;
  unsigned index = 0;
  dim3 coordinates;
  Place place = {nullptr, 0};
};

struct Warp {
  WarpGroup groups[kWarpSize];  // a lane is in one at a time, so there is always a free one
  uint32_t alive = 0;
};

struct Block {
  std::vector<std::unique_ptr<Thread>> threads;
  std::vector<Warp> warps;
  unsigned count = 0, alive = 0, arrived = 0, votes = 0;
  unsigned barrier_round = 0;
  BarrierVotes last_votes = {0, 0};
  Thread* current = nullptr;
  std::string failure;
  std::vector<void*> poisoned;
  std::vector<unsigned char> dynamic_shared;
  void (*body)(void*) = nullptr;
  void* context = nullptr;
  char barrier_tags[2], start_tag, end_tag;  // addresses that ThreadSanitizer orders threads by
};

enum class Order { kForward, kReverse, kRandom };

Block block;
Order thread_order = Order::kForward;
uint64_t random_state = 1;
std::mutex one_grid_at_a_time;

void acquire(void* tag) {
  if (__tsan_acquire) __tsan_acquire(tag);
}
void release(void* tag) {
  if (__tsan_release) __tsan_release(tag);
}

// Plain loops: ThreadSanitizer would take memcpy and memset here for accesses of the kernel.
void copy_bytes(unsigned char* to, const void* from, size_t size) {
  for (size_t i = 0; i < size; ++i) static_cast<volatile unsigned char*>(to)[i] = static_cast<const volatile unsigned char*>(from)[i];
}
void poison(void* memory, size_t size) {
  volatile unsigned char* bytes = static_cast<unsigned char*>(memory);
  for (size_t i = 0; i < size; ++i) bytes[i] = 0xff;
}

uint64_t next_random() {  // xorshift64
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return random_state;
}

std::string name(const Thread& thread) {
  const dim3& at = thread.coordinates;
  return "(" + std::to_string(at.x) + "," + std::to_string(at.y) + "," + std::to_string(at.z) + ")";
}

std::string text(Place place) { return std::string(place.file) + ":" + std::to_string(place.line); }

bool same(Place a, Place b) { return a.line == b.line && std::strcmp(a.file, b.file) == 0; }

std::string where(const Thread& thread) {
  switch (thread.state) {
    case State::kAtBarrier: return "waits at the block barrier " + text(thread.place);
    case State::kAtWarpOperation: return "waits at the warp operation " + text(thread.place);
    case State::kReturned: return "has returned";
    default: return "runs";
  }
}

// What every thread of the block does, runs of equal answers in one line.
std::string describe_threads() {
  std::string out;
  for (unsigned i = 0; i < block.count;) {
    const std::string what = where(*block.threads[i]);
    unsigned last = i;
    while (last + 1 < block.count && where(*block.threads[last + 1]) == what) ++last;
    out += "\n  " + name(*block.threads[i]) + (last > i ? " to " + name(*block.threads[last]) : "") + " " + what;
    i = last + 1;
  }
  return out;
}

[[noreturn]] void stop(const std::string& what) {
  const dim3& at = indices.block;
  throw std::runtime_error("emulated kernel: " + what + " in block (" + std::to_string(at.x) + "," + std::to_string(at.y) + "," +
                           std::to_string(at.z) + "):" + describe_threads());
}

// From inside a fiber: the scheduler will stop the launch. The fibers are dropped where they stand.
[[noreturn]] void fail(const std::string& what) {
  block.failure = what;
  block.current->fiber.leave();
  std::terminate();  // a failed block is never resumed
}

// Lets the lanes of a group go on if all that are alive have arrived.
bool complete_group(WarpGroup& group, unsigned warp) {
  if (group.arrived == 0 || group.arrived != (group.mask & block.warps[warp].alive)) return false;
  const uint32_t lanes = group.arrived;
  group.arrived = 0;
  group.readers += static_cast<unsigned>(__builtin_popcount(lanes));
  ++group.round;
  for (unsigned i = 0; i < kWarpSize; ++i) {
    if (lanes >> i & 1) block.threads[warp * kWarpSize + i]->state = State::kReady;
  }
  return true;
}

WarpGroup& find_group(Warp& warp, uint32_t mask) {
  WarpGroup* free_group = nullptr;
  for (WarpGroup& group : warp.groups) {
    if (group.mask == mask) return group;
    if (group.arrived == 0 && group.readers == 0) free_group = &group;
  }
  free_group->mask = mask;
  return *free_group;
}

void thread_main() {
  Thread& self = *block.current;
  self.fiber.entered();
  acquire(&block.start_tag);
  block.body(block.context);
  release(&block.end_tag);
  self.state = State::kReturned;
  self.fiber.leave();
  std::terminate();  // a returned thread is never resumed
}

void prepare_block(dim3 position, dim3 size) {
  indices.block = position;
  block.count = block.alive = size.x * size.y * size.z;
  block.arrived = block.votes = 0;
  block.failure.clear();
  block.poisoned.clear();
  poison(block.dynamic_shared.data(), block.dynamic_shared.size());
  while (block.threads.size() < block.count) block.threads.push_back(std::make_unique<Thread>());
  block.warps.resize((block.count + kWarpSize - 1) / kWarpSize);
  for (unsigned w = 0; w < block.warps.size(); ++w) {
    const unsigned lanes = std::min(kWarpSize, block.count - w * kWarpSize);
    block.warps[w].alive = lanes == kWarpSize ? ~0u : (1u << lanes) - 1;
    for (WarpGroup& group : block.warps[w].groups) group.mask = group.arrived = group.readers = 0;
  }
  for (unsigned i = 0; i < block.count; ++i) {
    Thread& thread = *block.threads[i];
    thread.index = i;
    thread.coordinates = dim3(i % size.x, i / size.x % size.y, i / (size.x * size.y));
    thread.state = State::kReady;
    thread.fiber.start(&thread_main);
  }
}

void thread_returned(const Thread& thread) {
  --block.alive;
  const unsigned warp = thread.index / kWarpSize;
  block.warps[warp].alive &= ~(1u << thread.index % kWarpSize);
  for (WarpGroup& group : block.warps[warp].groups) complete_group(group, warp);
}

void shuffle(std::vector<unsigned>& order) {
  for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[next_random() % i]);
}

void choose_order() {
  const char* text = std::getenv("SPLATKIT_THREAD_ORDER");
  const std::string order = text == nullptr ? "forward" : text;
  thread_order = order == "forward" ? Order::kForward : order == "reverse" ? Order::kReverse : Order::kRandom;
  random_state = std::strtoull(order.c_str(), nullptr, 10) * 0x9e3779b97f4a7c15u | 1;
}

std::vector<unsigned> turns(size_t count) {
  std::vector<unsigned> order(count);
  for (size_t i = 0; i < count; ++i) order[i] = static_cast<unsigned>(thread_order == Order::kReverse ? count - 1 - i : i);
  return order;
}

void run_block(dim3 position, dim3 size) {
  prepare_block(position, size);
  std::vector<unsigned> order = turns(block.count);
  release(&block.start_tag);
  while (block.alive > 0) {
    if (thread_order == Order::kRandom) shuffle(order);
    bool progress = false;
    for (const unsigned i : order) {
      Thread& thread = *block.threads[i];
      if (thread.state != State::kReady) continue;
      progress = true;
      block.current = &thread;
      indices.thread = thread.coordinates;
      thread.fiber.resume();
      if (!block.failure.empty()) stop(block.failure);
      if (thread.state == State::kReturned) thread_returned(thread);
    }
    if (!progress)
      stop(block.arrived > 0 && block.arrived == block.alive ? "threads returned without reaching a barrier that others wait at"
                                                             : "deadlock");
  }
  acquire(&block.end_tag);
}

}  // namespace

BarrierVotes block_barrier(bool predicate, Place place) {
  Thread& self = *block.current;
  self.place = place;
  self.state = State::kAtBarrier;
  void* tag = &block.barrier_tags[block.barrier_round & 1];
  release(tag);
  block.votes += predicate;
  if (++block.arrived == block.count) {
    for (unsigned i = 0; i < block.count; ++i) {
      if (!same(block.threads[i]->place, place)) fail("threads of one block wait at different barriers");
    }
    block.last_votes = {static_cast<int>(block.votes), static_cast<int>(block.count)};
    block.arrived = block.votes = 0;
    ++block.barrier_round;
    for (unsigned i = 0; i < block.count; ++i) block.threads[i]->state = State::kReady;
  } else {
    self.fiber.leave();
  }
  acquire(tag);
  return block.last_votes;
}

WarpValues warp_exchange(uint32_t mask, const void* value, size_t size, Place place) {
  Thread& self = *block.current;
  const unsigned warp = self.index / kWarpSize, lane = self.index % kWarpSize;
  self.place = place;
  self.state = State::kAtWarpOperation;
  if (!(mask >> lane & 1)) fail("thread " + name(self) + " is not in the mask that it names at " + text(place));
  WarpGroup& group = find_group(block.warps[warp], mask);
  if (group.arrived != 0 && !same(group.place, place)) fail("lanes of one mask meet at different warp operations");
  group.place = place;
  const unsigned round = group.round;
  copy_bytes(group.values[round & 1][lane], value, size);
  group.arrived |= 1u << lane;
  const uint32_t members = mask & block.warps[warp].alive;
  release(&group.values[round & 1]);
  if (!complete_group(group, warp)) self.fiber.leave();
  acquire(&group.values[round & 1]);
  --group.readers;  // the caller reads before anyone else gets a turn
  return {members, group.values[round & 1]};
}

unsigned lane_index() { return block.current->index % kWarpSize; }

uint32_t active_lanes() { return block.warps[block.current->index / kWarpSize].alive; }

void* dynamic_shared_memory() { return block.dynamic_shared.data(); }

void poison_once(void* memory, size_t size) {
  if (std::find(block.poisoned.begin(), block.poisoned.end(), memory) != block.poisoned.end()) return;
  block.poisoned.push_back(memory);
  poison(memory, size);
}

void run_grid(dim3 grid, dim3 size, size_t dynamic_shared_bytes, void (*body)(void*), void* context) {
  const std::lock_guard<std::mutex> alone(one_grid_at_a_time);
  if (size.x * size.y * size.z == 0 || size.x * size.y * size.z > 1024)
    throw std::runtime_error("emulated kernel: a block has 1 to 1024 threads");
  choose_order();
  block.dynamic_shared.resize(dynamic_shared_bytes);
  block.body = body;
  block.context = context;
  indices.block_dim = size;
  indices.grid_dim = grid;
  std::vector<unsigned> order = turns(size_t(grid.x) * grid.y * grid.z);
  if (thread_order == Order::kRandom) shuffle(order);
  for (const unsigned i : order) run_block(dim3(i % grid.x, i / grid.x % grid.y, i / (grid.x * grid.y)), size);
}

}  // namespace emulator
