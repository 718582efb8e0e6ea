//! The bytes under a container: positioned reads and writes, sync, kernel locks; a real file and a simulated disk.
