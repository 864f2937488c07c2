// Runs the blocks of a kernel on the host, one after the other; the threads of a block are fibers that take turns at barriers and warp
// operations. A wrong kernel ends the launch with std::runtime_error that names threads and lines.
// The order in which the threads of a block, and the blocks of a grid, take their turns is the environment variable SPLATKIT_THREAD_ORDER:
// "forward" (also where it is not set), "reverse", or the seed of a random one. A right kernel gives the same result in any.
// Not emulated: memory-model reorderings, timing, textures, inline PTX.
#pragma once
#include <cstddef>
#include <cstdint>

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

namespace emulator {

constexpr unsigned kWarpSize = 32;
constexpr size_t kSlotSize = 16;  // bytes that a lane can hand over in one warp operation

struct Place {
  const char* file;
  int line;
};

struct BarrierVotes {
  int count;  // threads with a true predicate
  int threads;
};

struct WarpValues {
  uint32_t members;  // lanes that took part
  const unsigned char (*values)[kSlotSize];
};

struct ThreadIndices {
  dim3 thread, block, block_dim, grid_dim;
};
extern ThreadIndices indices;  // of the running thread

BarrierVotes block_barrier(bool predicate, Place place);
// Waits for all lanes of the mask and shows what each of them brought.
WarpValues warp_exchange(uint32_t mask, const void* value, size_t size, Place place);
unsigned lane_index();
// Lanes of the running thread's warp that have not returned. Real hardware may show fewer.
uint32_t active_lanes();

void* dynamic_shared_memory();
// Fills shared memory of the running block with 0xff bytes (NaNs) when the block first asks for it.
void poison_once(void* memory, size_t size);

void run_grid(dim3 grid, dim3 block, size_t dynamic_shared_bytes, void (*body)(void* context), void* context);

}  // namespace emulator
