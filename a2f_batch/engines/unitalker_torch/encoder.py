"""The sound encoder: the weights of transformers' WavLM or Wav2Vec2 modules, run on lines of different lengths without one
changing another.

transformers' modules hold the weights; the arithmetic is here, because theirs pads a batch (which changes every result of a
group-normalised encoder), and makes attention weights that nobody reads. Axes: B lines, N samples, L frames, C channels, H heads.

- Sound frames lie in memory frame after frame, so a strided convolution is one or two matrix products on views of its input.
- The group norm's statistics come from the sound itself: y = Wx of the first convolution has the mean W E[x] and the variance
  W Cov[x] W^T, and Cov[x] is a 10 x 10 matrix. So the norm costs nothing, becomes part of the convolution, and sees each line's own
  frames only.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from a2f_batch.engines.unitalker_torch.architecture import Architecture, EncoderSizes
from a2f_batch.engines.unitalker_torch.dense import Dense

CACHED_LAYERS = 3  # convolutions that run piece by piece where that is asked for
VARIANCE_FLOOR = 1e-5  # epsilon of torch's group norm


def published_encoder(architecture: Architecture) -> nn.Module:
    """Return transformers' module of the architecture, with the names of the published checkpoints; its weights mean nothing yet."""
    from transformers import Wav2Vec2Config, Wav2Vec2Model, WavLMConfig, WavLMModel

    sizes = dict(vars(architecture.sizes))
    sizes["num_feat_extract_layers"] = len(sizes["conv_dim"])
    if architecture.encoder == "wavlm":
        model: nn.Module = WavLMModel(WavLMConfig(**sizes))
        return model
    del sizes["num_buckets"], sizes["max_bucket_distance"]
    model = Wav2Vec2Model(Wav2Vec2Config(**sizes))
    return model


def taps(x: Tensor, kernel: int, stride: int) -> Iterator[Tensor]:
    """Yield, for each run of up to `stride` taps of a convolution, what they see: shape (B, frames, taps * C); a view where it can be.

    Args:
        x: shape (B, T, C).
    """
    lines, _, channels = x.shape
    frames = (x.shape[1] - kernel) // stride + 1
    for first in range(0, kernel, stride):
        width = min(stride, kernel - first)
        if width == stride:
            yield x[:, first:first + stride * frames].reshape(lines, frames, stride * channels)
        else:
            rows = [x[:, first + i::stride][:, :frames] for i in range(width)]
            yield rows[0] if width == 1 else torch.cat(rows, dim=2)


class StridedConvolution(nn.Module):
    """A convolution without padding over frames, then GELU, with a layer norm between where the network has one."""

    runs: Any  # of Dense

    def __init__(self, layer: Any) -> None:
        super().__init__()
        convolution = layer.conv
        self.kernel, self.stride = convolution.kernel_size[0], convolution.stride[0]
        weight, self.runs = convolution.weight, nn.ModuleList()
        for first in range(0, self.kernel, self.stride):
            taken = weight[:, :, first:first + self.stride].transpose(1, 2).flatten(1)
            self.runs.append(Dense(taken, convolution.bias if first == 0 else None))
        norm = getattr(layer, "layer_norm", None)
        self.norm = norm if isinstance(norm, nn.LayerNorm) else None

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) -> (B, frames, channels)."""
        seen = list(taps(x, self.kernel, self.stride))
        y = self.runs[0](seen[0])
        for run, part in zip(list(self.runs)[1:], seen[1:], strict=True):
            y = run.added_to(y, part)
        return F.gelu(y if self.norm is None else self.norm(y.float()))


class NormalisedFirstConvolution(nn.Module):
    """The first convolution of the base models: over the sound, then a norm of each channel over the whole line, then GELU."""

    weight: Tensor
    gain: Tensor
    offset: Tensor

    def __init__(self, layer: Any) -> None:
        super().__init__()
        convolution = layer.conv
        norm = layer.layer_norm
        self.kernel, self.stride = convolution.kernel_size[0], convolution.stride[0]
        # A bias moves the mean that the norm takes away: it has no effect.
        self.register_buffer("weight", convolution.weight.detach()[:, 0].contiguous())
        self.register_buffer("gain", norm.weight.detach())
        self.register_buffer("offset", norm.bias.detach())

    def frames(self, audio: Tensor) -> Tensor:
        """(B, N) -> what the convolution sees, (B, T, kernel)."""
        return torch.cat(list(taps(audio.unsqueeze(2), self.kernel, self.stride)), dim=2)

    def line_weights(self, seen: Tensor, counts: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return each line's weights (B, kernel, C) and biases (B, 1, C) that do convolution and norm at once.

        Args:
            seen: (B, T, kernel), as from `frames`.
            counts: how many of T are each line's own, (B,); None = all.
        """
        exact = seen.double()
        if counts is None:
            n = torch.full((seen.shape[0], 1, 1), 1.0, dtype=torch.float64, device=seen.device) * exact.shape[1]
        else:
            n = counts.double().view(-1, 1, 1)
            own = torch.arange(seen.shape[1], device=seen.device) < counts.unsqueeze(1)
            exact = exact * own.unsqueeze(2)
        mean = exact.sum(1, keepdim=True) / n
        covariance = exact.transpose(1, 2) @ exact / n - mean.transpose(1, 2) @ mean
        weight = self.weight.double()
        variance = ((weight @ covariance) * weight).sum(2).clamp(min=0)
        scale = self.gain.double() / torch.sqrt(variance + VARIANCE_FLOOR)
        folded = (weight.t() * scale.unsqueeze(1))
        bias = self.offset.double() - (mean @ folded).squeeze(1)
        return folded.to(seen.dtype), bias.unsqueeze(1).to(seen.dtype)

    def forward(self, seen: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """(B, T, kernel) -> (B, T, C)."""
        return F.gelu(torch.baddbmm(bias, seen, weight))


class Attention(nn.Module):
    """Self-attention over a line's frames; in WavLM, with a bias by the distance of two frames that each frame gates for itself."""

    gate_factor: Tensor

    def __init__(self, layer: Any, heads: int) -> None:
        super().__init__()
        module = layer.attention
        self.heads = heads
        parts = [module.q_proj, module.k_proj, module.v_proj]
        self.qkv = Dense(torch.cat([part.weight for part in parts]), torch.cat([part.bias for part in parts]))
        self.out = Dense.of(module.out_proj)
        self.gate: nn.Module | None = None
        gate = getattr(module, "gru_rel_pos_linear", None)
        if gate is not None:
            # Eight outputs of which each four are added: two outputs of added weights.
            self.gate = Dense(gate.weight.double().view(2, 4, -1).sum(1).float(), gate.bias.double().view(2, 4).sum(1).float())
            self.register_buffer("gate_factor", module.gru_rel_pos_const.detach())

    def forward(self, x: Tensor, bias: Tensor | None, mask: Tensor | None) -> Tensor:
        """(B, L, C) -> (B, L, C).

        Args:
            bias: of the distance, (H, L, L); None = none.
            mask: 0 where a frame may be looked at, -inf elsewhere, (B, 1, 1, L); None = everywhere.
        """
        lines, frames, channels = x.shape
        width = channels // self.heads
        q, k, v = self.qkv(x).view(lines, frames, 3, self.heads, width).permute(2, 0, 3, 1, 4)
        if self.gate is not None and bias is not None:
            own, both = torch.sigmoid(self.gate(x.view(lines, frames, self.heads, width).transpose(1, 2))).chunk(2, dim=-1)
            gated = (own * (both * self.gate_factor - 1.0) + 2.0) * bias
            mask = gated if mask is None else gated + mask
        if mask is not None:
            mask = mask.to(q.dtype)
        seen = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        y: Tensor = self.out(seen.transpose(1, 2).reshape(lines, frames, channels))
        return y


class Layer(nn.Module):
    """One layer of the transformer, with its norms after the sums (base models) or before the products (the large one)."""

    def __init__(self, layer: Any, sizes: EncoderSizes) -> None:
        super().__init__()
        self.attention = Attention(layer, sizes.num_attention_heads)
        self.attention_norm: nn.Module = layer.layer_norm
        self.rise = Dense.of(layer.feed_forward.intermediate_dense)
        self.fall = Dense.of(layer.feed_forward.output_dense)
        self.final_norm: nn.Module = layer.final_layer_norm
        self.norm_first = sizes.do_stable_layer_norm

    def forward(self, x: Tensor, bias: Tensor | None, mask: Tensor | None) -> Tensor:
        """(B, L, C) -> (B, L, C)."""
        if self.norm_first:
            x = x + self.attention(self.attention_norm(x), bias, mask)
            return x + self._feed_forward(self.final_norm(x))
        x = self.attention_norm(x + self.attention(x, bias, mask))
        y: Tensor = self.final_norm(x + self._feed_forward(x))
        return y

    def _feed_forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.fall(F.gelu(self.rise(x)))
        return y


class Encoder(nn.Module):
    """Sound to features, 50 frames a second.

    Args:
        published: transformers' module with the checkpoint's weights; its norms and linear layers become part of this one.
        architecture: what it is.

    Attributes:
        frames_at_once: how many frames the first convolutions make in one go, so that what lies between them stays in the cache;
            None = all. No frame depends on it.
    """

    position_weight: Tensor
    position_bias: Tensor
    distances: Tensor
    layers: Any  # of Layer

    def __init__(self, published: Any, architecture: Architecture) -> None:
        super().__init__()
        self.sizes, self.interpolate_first = architecture.sizes, architecture.interpolate_pos == 0
        self.frames_at_once: int | None = None
        convolutions = list(published.feature_extractor.conv_layers)
        self.first = NormalisedFirstConvolution(convolutions.pop(0)) if self.sizes.feat_extract_norm == "group" else None
        self.convolutions = nn.ModuleList(StridedConvolution(layer) for layer in convolutions)
        self.feature_norm: nn.Module = published.feature_projection.layer_norm
        self.projection = Dense.of(published.feature_projection.projection)
        inner = published.encoder
        convolution = inner.pos_conv_embed.conv
        self.register_buffer("position_weight", convolution.weight.detach().clone())  # the weight norm's product
        self.register_buffer("position_bias", convolution.bias.detach())
        self.norm: nn.Module = inner.layer_norm
        self.layers = nn.ModuleList(Layer(layer, self.sizes) for layer in inner.layers)
        self.is_wavlm = architecture.encoder == "wavlm"
        if self.is_wavlm:
            self.register_buffer("distances", inner.layers[0].attention.rel_attn_embed.weight.detach())

    def forward(self, audio: Tensor, samples: Tensor | None, frames: int, counts: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Return the features (B, L, C) and how many of L are each line's own, (B,).

        Args:
            audio: zero mean and unit variance over each line, then zeros: (B, N).
            samples: how many of N are each line's own, (B,); None = all, and so are the results' frames.
            frames: longest frame count wanted; only with ``interpolate_pos`` 0, where features get the final rate here.
            counts: frame count of each line, (B,); likewise.
        """
        x, own = self.project(*self.features(audio, samples), frames, counts)
        return self.attend(x, own, self.positions(x), self.distance_bias(x.shape[1])), own

    def project(self, x: Tensor, own: Tensor | None, frames: int, counts: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Return what the transformer is given, (B, L, C), 0 beyond each line's own frames, and how many of L these are.

        Args:
            x, own: as from `features`.
            frames, counts: as for `forward`.
        """
        if self.interpolate_first:
            x, own = stretched(x, own, frames, counts), counts
        x = self.projection(self.feature_norm(x.float())).float()
        return x if own is None else x * self._inside(x, own).unsqueeze(2), own

    def attend(self, x: Tensor, own: Tensor | None, places: Tensor, bias: Tensor | None) -> Tensor:
        """Run the transformer.

        Args:
            x, own: as from `project`.
            places: as from `positions`.
            bias: as from `distance_bias`.
        """
        mask = None
        if own is not None:
            mask = torch.zeros(x.shape[:2], device=x.device).masked_fill(~self._inside(x, own), -math.inf)[:, None, None]
        x = x + F.gelu(places)
        if not self.sizes.do_stable_layer_norm:
            x = self.norm(x)
        for layer in self.layers:
            x = layer(x, bias, mask)
        return self.norm(x) if self.sizes.do_stable_layer_norm else x

    @staticmethod
    def _inside(x: Tensor, own: Tensor) -> Tensor:
        return torch.arange(x.shape[1], device=x.device) < own.unsqueeze(1)

    def features(self, audio: Tensor, samples: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Return what the convolutions make of the sound, (B, L, C), and how many of L are each line's own."""
        own = samples
        if own is not None:
            for kernel, stride in zip(self.sizes.conv_kernel, self.sizes.conv_stride, strict=True):
                own = torch.div(own - kernel, stride, rounding_mode="floor") + 1
        kernel, stride = self.sizes.conv_kernel[0], self.sizes.conv_stride[0]
        if self.first is None:
            return self._pieces(audio.unsqueeze(2), (), 1), own
        seen = self.first.frames(audio)
        first_own = None if samples is None else torch.div(samples - kernel, stride, rounding_mode="floor") + 1
        return self._pieces(seen, self.first.line_weights(seen, first_own), stride), own

    def _pieces(self, x: Tensor, weights: tuple[Tensor, ...], done: int) -> Tensor:
        """Run the convolutions, the first ones piece by piece: what they make is large, and the last ones want many rows at once.

        Args:
            x: the sound (B, N, 1), or with `weights` what the first convolution sees (B, T, kernel).
            done: samples from one of these to the next.
        """
        if self.frames_at_once is None:
            return self._convolve(x, weights, 0, len(self.sizes.conv_dim))
        kernels, strides = self.sizes.conv_kernel[:CACHED_LAYERS], self.sizes.conv_stride[:CACHED_LAYERS]
        reach = 1
        for kernel, stride in zip(reversed(kernels), reversed(strides), strict=True):
            reach = (reach - 1) * stride + kernel
        step, need = math.prod(strides) // done, (reach - kernels[0]) // done + 1 if weights else reach
        frames = (x.shape[1] - need) // step + 1
        pieces = [self._convolve(x[:, first * step:(min(first + self.frames_at_once, frames) - 1) * step + need], weights, 0, len(kernels))
                  for first in range(0, frames, self.frames_at_once)]
        return self._convolve(pieces[0] if len(pieces) == 1 else torch.cat(pieces, dim=1), (), len(kernels), len(self.sizes.conv_dim))

    def _convolve(self, x: Tensor, weights: tuple[Tensor, ...], first: int, stop: int) -> Tensor:
        """Run convolutions `first` .. `stop` - 1."""
        layers = list(self.convolutions)
        if self.first is not None:
            if first == 0 < stop:
                x = self.first(x, *weights)
            layers = [self.first, *layers]
            first = max(first, 1)
        for layer in layers[first:stop]:
            x = layer(x)
        return x

    def positions(self, x: Tensor) -> Tensor:
        """Return what each frame's surroundings tell of its place, before its GELU, (B, L, C); beyond a line's own frames `x` must be 0."""
        width, groups = self.sizes.num_conv_pos_embeddings, self.sizes.num_conv_pos_embedding_groups
        x = x.to(self.position_weight.dtype)
        y = F.conv1d(x.transpose(1, 2), self.position_weight, self.position_bias, padding=width // 2, groups=groups)
        return (y[:, :, :-1] if width % 2 == 0 else y).transpose(1, 2)

    def distance_bias(self, frames: int) -> Tensor | None:
        """Return WavLM's bias for each head and pair of frames, (H, L, L); wav2vec2 has none."""
        if not self.is_wavlm:
            return None
        at = torch.arange(frames, device=self.position_weight.device)
        return self.distance_values(frames)[:, at[None, :] - at[:, None] + (frames - 1)]

    def distance_values(self, frames: int) -> Tensor:
        """Return WavLM's bias for each head and distance from 1 - L to L - 1, (H, 2 L - 1): exactly when near, in logarithmic steps
        beyond."""
        distance = torch.arange(1 - frames, frames, device=self.position_weight.device)
        half = self.sizes.num_buckets // 2
        exact = half // 2
        far = torch.log(distance.abs().clamp(min=1).float() / exact) / math.log(self.sizes.max_bucket_distance / exact) * (half - exact)
        step = torch.where(distance.abs() < exact, distance.abs(), (exact + far).long().clamp(max=half - 1))
        bucket = step + (distance > 0).long() * half
        return F.embedding(bucket, self.distances).t().contiguous()


def stretched(x: Tensor, own: Tensor | None, frames: int, counts: Tensor | None) -> Tensor:
    """Return features at another rate, (B, frames, C): linear between two of `x`, first on first and last on last.

    Args:
        x: (B, L, C).
        own: how many of L are each line's own, (B,); None = all.
        frames: longest of the new lines.
        counts: how many frames each line gets, (B,); None = `frames`.

    The arithmetic is torch's F.interpolate(mode='linear', align_corners=True) for one line, in its order and float32, so that a line
    alone is what the reference implementation gives.
    """
    lines = x.shape[0]
    at = torch.arange(frames, device=x.device, dtype=torch.float32)
    last = (own - 1 if own is not None else torch.full((lines,), 1, device=x.device) * (x.shape[1] - 1)).float()
    steps = (counts - 1 if counts is not None else torch.full((lines,), 1, device=x.device) * (frames - 1)).float()
    scale = torch.where(steps > 0, last / steps.clamp(min=1), torch.zeros_like(last))
    place = scale[:, None] * at[None, :]
    left = torch.minimum(place.long(), last.long()[:, None])
    right = torch.minimum(left + 1, last.long()[:, None])
    weight = (place - left).clamp(0, 1).unsqueeze(2).to(x.dtype)
    line = torch.arange(lines, device=x.device)[:, None]
    return (1 - weight) * x[line, left] + weight * x[line, right]

