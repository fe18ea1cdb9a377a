"""The HTTP API and the page: pictures over a wire, with everything bounded (extra ``serve``)."""
