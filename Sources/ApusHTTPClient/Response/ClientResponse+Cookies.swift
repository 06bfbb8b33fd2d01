public import ApusWire

extension ClientResponse {
    /// What the head's Set-Cookie fields say, in their order; those that are no cookies are left out.
    ///
    /// It is what the server said, and not what the jar has made of it: that may have refused some. Cookies of redirects that led here
    /// are in the jar only.
    public var cookies: [SetCookie] { head.hasSetCookie ? head.setCookies : [] }
}
