/// A moment as cookies need it, in whole seconds.
package struct CookieMoment: Sendable, Hashable {
    /// Of the calendar: since 1970-01-01 00:00:00 GMT. Somebody may set it, forward and back.
    package var wall: Int
    /// Of a clock that nobody sets, since whenever.
    package var steady: Int

    package init(wall: Int, steady: Int) {
        // Far from overflowing whatever is added.
        self.wall = min(max(wall, -(1 << 50)), 1 << 50)
        self.steady = min(max(steady, -(1 << 50)), 1 << 50)
    }

    /// What changes only when the calendar's clock is set.
    var offset: Int { wall - steady }
}
