"""The file formats that are read, by FFmpeg's names of them.

A container is on the list if it holds audio itself. Left out are playlists, manifests, session descriptions and scripts
(they name further files and URLs, which an upload must never make this server open), devices, image sequences,
subtitles, and the formats of games that FFmpeg itself cannot write, whose parsers few people test. Each name was judged
in FFmpeg 8.1's libavformat.
"""

from __future__ import annotations

from server.raw_formats import RawFormat

FILM_AND_BROADCAST = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,asf,asf_o,flv,live_flv,kux,mpeg,mpegts,mpegtsraw,mxf,gxf,lxf,nut,dv,rm,ivr,"
    "wtv,swf,nsv,nuv,pva,ty,ogg,pmp,smjpeg,vividas,vivo,dhav,ifv,luodat,mxg,rpl,iff,avs,iamf"
)
CODED_SPEECH = (
    "amr,amrnb,amrwb,gsm,g722,g723_1,g726,g726le,g728,g729,bit,ilbc,qcp,act,dss,wve,lvf,codec2,lc3,sln,aea,siff"
)
CODED_AUDIO = (
    "aac,loas,ac3,ac4,eac3,dts,dtshd,mlp,truehd,spdif,s337m,mp3,opus,sbc,aptx,aptx_hd,dfpwm,oma,aa,vqf,mpc,mpc8,ape,flac,"
    "tak,tta,wv,shn,osq,rka,bonk,wavarc,apac,qoa,xwma,mmf,daud,dsf,wsd"
)
WAVEFORMS = "wav,w64,aiff,au,caf,voc,avr,epaf,ircam,nistsphere,nsp,pvf,hcom,sds,sox,sdx,rso"
GAMES = "adx,ast,wsaud,alp,apm,kvag,argo_asf,argo_cvg"
HEADERLESS = "alaw,mulaw,s16le,s16be,s24le,s32le,f32le,f64le,s8,u8"
EXTENSION_RATES = {"al": "8000", "ul": "8000"}  # Hz (ITU-T G.711); FFmpeg takes 44,100 where nobody says so
# m4v is raw MPEG-4 video, which holds no audio and gets a better message than a file that is nothing.
DEMUXERS = ",".join((FILM_AND_BROADCAST, CODED_SPEECH, CODED_AUDIO, WAVEFORMS, GAMES, HEADERLESS, "m4v"))

# FFmpeg's demuxer of each raw format, by the name that a request gives it.
RAW_DEMUXERS: dict[RawFormat, str] = {
    "pcm_s16le": "s16le",
    "pcm_s16be": "s16be",
    "pcm_s24le": "s24le",
    "pcm_s32le": "s32le",
    "pcm_f32le": "f32le",
    "pcm_f64le": "f64le",
    "pcm_s8": "s8",
    "pcm_u8": "u8",
    "mulaw": "mulaw",
    "alaw": "alaw",
    "g722": "g722",
    "g726": "g726",
}
