//! How the C library's allocator is set for a program that moves large buffers: they are kept for the
//! next use instead of being given back to the system and cleared by it every time, which took a
//! quarter of a first backup. Decides nothing but speed; other allocators are left alone.

/// Sets the allocator once, at the start.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code)]
pub fn keep_large_buffers() {
    /// The largest size that the C library lets come from its heaps.
    const HEAP_BYTES: libc::c_int = 32 << 20;
    // SAFETY: mallopt takes two integers, touches only the allocator's own settings, and is called
    // before any other thread runs; a value it refuses changes nothing.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, HEAP_BYTES);
        libc::mallopt(libc::M_TRIM_THRESHOLD, libc::c_int::MAX);
        libc::mallopt(libc::M_ARENA_MAX, 2);
    }
}

/// Sets the allocator once, at the start.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn keep_large_buffers() {}
