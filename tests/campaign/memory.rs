//! The bound on memory: no single allocation of any campaign, hostile containers among them, may ask
//! for more than 256 MiB. Nothing honest here needs a tenth of it.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};

const MOST_BYTES: usize = 256 << 20;

struct Guard;

fn check(bytes: usize) {
    if bytes > MOST_BYTES {
        eprintln!("campaign: {bytes} bytes asked for in one piece");
        std::process::abort();
    }
}

// SAFETY: every call is passed on unchanged to the system's allocator.
unsafe impl GlobalAlloc for Guard {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        check(layout.size());
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        check(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        check(bytes);
        unsafe { System.realloc(pointer, layout, bytes) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static GUARD: Guard = Guard;
