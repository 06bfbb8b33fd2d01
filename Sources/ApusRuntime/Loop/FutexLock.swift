import CApus
public import Synchronization

/// A lock of one word that knows nothing of threads, for classes with a field or two to guard: see ``ForkSafeLock``.
///
/// Who asks for it while it is held looks for a moment, and then sleeps: futex(2).
@usableFromInline
struct FutexLock: ~Copyable, Sendable {
    @inlinable static var free: UInt32 { 0 }
    @inlinable static var held: UInt32 { 1 }
    /// Held, and somebody may sleep.
    @inlinable static var awaited: UInt32 { 2 }
    /// What is done under a lock takes some tens of nanoseconds.
    private static let looks = 40

    @usableFromInline let word = Atomic<UInt32>(free)

    @usableFromInline
    init() {}

    @inlinable
    @inline(__always)
    borrowing func lock() {
        let (isMine, _) = word.compareExchange(expected: Self.free, desired: Self.held, ordering: .acquiring)
        if !isMine { lockLater() }
    }

    @inlinable
    @inline(__always)
    borrowing func unlock() {
        if word.exchange(Self.free, ordering: .releasing) == Self.awaited { wakeOne() }
    }

    @usableFromInline
    @inline(never)
    borrowing func lockLater() {
        for _ in 0..<Self.looks {
            apus_spin_pause()
            if word.load(ordering: .relaxed) == Self.free,
                word.compareExchange(expected: Self.free, desired: Self.held, ordering: .acquiring).exchanged
            {
                return
            }
        }
        while word.exchange(Self.awaited, ordering: .acquiring) != Self.free {
            // An atomic is never moved: its address is the word's.
            withUnsafePointer(to: word) { apus_futex_wait($0, Self.awaited) }
        }
    }

    /// By then the lock may be somebody else's, or gone: waking nobody harms nobody.
    @usableFromInline
    @inline(never)
    borrowing func wakeOne() { withUnsafePointer(to: word) { apus_futex_wake($0) } }
}
