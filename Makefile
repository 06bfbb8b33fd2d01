# One-line wrappers around ./run, for those whose fingers type make. Arguments: make test ARGS="--filter Codec"
.PHONY: demo test interop bench docs format lint install help
demo test interop bench docs format lint install help: ; @./run $@ $(ARGS)
